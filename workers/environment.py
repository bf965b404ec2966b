"""Read settings from environment variables, strictly.

Every reader takes the variable's name and a default, and raises `InvalidEnvironment` with one line that
names the variable, its value and what is expected. An empty value counts as unset, as in compose files.
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from workers.redis_address import InvalidRedisAddress, RedisAddress, without_password
from workers.redis_address import parse as parse_redis_url

T = TypeVar("T", int, float, bool, str)

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


class InvalidEnvironment(SystemExit):
    """An environment variable has a value that cannot be used.

    A SystemExit, because every program that reads the settings (Celery, gunicorn, a script) then ends with
    the one line. As any other exception it would be a page of traceback in each that does not know of it.
    """


def given(name: str) -> str | None:
    """Return what the variable says, without blanks around it; None where it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def text(name: str, default: str = "") -> str:
    return given(name) or default


def boolean(name: str, *, default: bool) -> bool:
    raw = given(name)
    if raw is None:
        return default
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise InvalidEnvironment(f"{name}={raw!r} is not a switch; use 1 or 0.")


def integer(name: str, default: int, *, at_least: int, at_most: int) -> int:
    raw = given(name)
    if raw is None:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise InvalidEnvironment(f"{name}={raw!r} is not a whole number.") from None
    if not at_least <= value <= at_most:
        raise InvalidEnvironment(f"{name}={raw} is out of range; use {at_least} to {at_most}.")
    return value


def seconds(name: str, default: float, *, at_least: float, at_most: float) -> float:
    raw = given(name)
    if raw is None:
        return default
    try:
        value = float(raw)
    except ValueError:
        raise InvalidEnvironment(f"{name}={raw!r} is not a number of seconds.") from None
    if not at_least <= value <= at_most:  # also refuses nan
        raise InvalidEnvironment(f"{name}={raw} is out of range; use {at_least:g} to {at_most:g} seconds.")
    return value


def choice(name: str, default: str, *, choices: Sequence[str]) -> str:
    value = text(name, default)
    if value not in choices:
        raise InvalidEnvironment(f"{name}={value!r} is not known; use one of {', '.join(choices)}.")
    return value


def host(name: str, default: str) -> str:
    """Return a host name or an IP address, the latter without brackets."""
    raw = given(name)
    if raw is None:
        return default
    if "%" in raw:
        raise InvalidEnvironment(f"{name}={raw!r} has a zone (%), which is not supported; use :: for all.")
    if not (is_host(raw, brackets=True) or is_host(raw, brackets=False)):
        raise InvalidEnvironment(f"{name}={raw!r} is no host name or IP address; the port goes to PORT.")
    return raw.strip("[]")


def is_host(text: str, *, brackets: bool) -> bool:
    if ":" not in text:
        return bool(_HOST_NAME.fullmatch(text))
    if brackets:
        if not (text.startswith("[") and text.endswith("]")):
            return False
        text = text[1:-1]
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def path(name: str, default: Path) -> Path:
    """Return the absolute path, taken literally: a blank or a quote is part of it."""
    if given(name) is None:
        return default
    raw = os.environ[name]
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise InvalidEnvironment(f"{name}={raw!r} is not UTF-8, which SQLite and Redis need.") from None
    try:
        return Path(raw).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as exc:  # no such user, or links in a circle
        raise InvalidEnvironment(f"{name}={raw!r} cannot be found: {exc}") from exc


def redis(name: str) -> RedisAddress | None:
    """Return where Redis is, or None when the variable is unset."""
    raw = given(name)
    if raw is None:
        return None
    try:
        return parse_redis_url(raw)
    except InvalidRedisAddress as exc:
        shown = without_password(raw)
        raise InvalidEnvironment(f"{name}={shown!r} {exc}") from None


def read(
    name: str,
    default: T,
    *,
    at_least: float = 0,
    at_most: float = 0,
    choices: Sequence[str] = (),
    pattern: str = "",
) -> T:
    """Read a variable by the type of its default. Raises InvalidEnvironment."""
    value: Any
    match default:
        case bool():
            value = boolean(name, default=default)
        case int():
            value = integer(name, default, at_least=int(at_least), at_most=int(at_most))
        case float():
            value = seconds(name, default, at_least=at_least, at_most=at_most)
        case str() if choices:
            value = choice(name, default, choices=choices)
        case _:
            value = matching(name, str(default), pattern=pattern)
    return value  # type: ignore[no-any-return]  # each branch returns the type of the default


def matching(name: str, default: str, *, pattern: str) -> str:
    """Return a text that matches the pattern as a whole; without a pattern, any."""
    # As it was given: a blank or a newline at its end is no part of a good value, and not to be dropped.
    given = os.environ.get(name) or default
    if pattern and not re.fullmatch(pattern, given):
        raise InvalidEnvironment(f"{name}={given!r} cannot be used: it has to match {pattern}.")
    return text(name, default)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
