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

from workers.conf import FORMER_NAMES, GONE_NAMES, Setting
from workers.up import InvalidRedisAddress, RedisAddress, parse_redis_url, without_password

T = TypeVar("T", int, float, bool, str)

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


class InvalidEnvironment(SystemExit):
    """An environment variable has a value that cannot be used.

    A SystemExit, because every program that reads the settings (Celery, gunicorn, a script) then ends with
    the one line. As any other exception it would be a page of traceback in each that does not know of it.
    """


def _raw(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def text(name: str, default: str = "") -> str:
    return _raw(name) or default


def boolean(name: str, *, default: bool) -> bool:
    raw = _raw(name)
    if raw is None:
        return default
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise InvalidEnvironment(f"{name}={raw!r} is not a switch; use 1 or 0.")


def integer(name: str, default: int, *, at_least: int, at_most: int) -> int:
    raw = _raw(name)
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
    raw = _raw(name)
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


def names(name: str, default: Sequence[str]) -> list[str]:
    """Return the comma-separated names, without blanks."""
    raw = _raw(name)
    if raw is None:
        return list(default)
    found = [part.strip() for part in raw.split(",") if part.strip()]
    if not found:
        raise InvalidEnvironment(f"{name}={raw!r} names nothing; unset it, or give names between commas.")
    return found


def allowed_hosts(name: str, default: Sequence[str]) -> list[str]:
    """Return host names as Django matches them; `.example.org` is a domain with all below it, `*` all."""
    found = names(name, default)
    for host in found:
        if host != "*" and not _is_host(host.removeprefix("."), brackets=True):
            raise InvalidEnvironment(
                f"{name}: {host!r} is no host name, so no request would match it; give names or addresses "
                "without scheme and port, IPv6 in brackets."
            )
    return found


def own_names(host: str) -> list[str]:
    """Return the host names under which a service that listens there is reached from its own machine."""
    local = ["localhost", "127.0.0.1", "[::1]"]
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  # not bound to: what all addresses are is not known
        return local
    own = f"[{host}]" if ":" in host else host.lower()
    return local if own in local else [*local, own]


def host(name: str, default: str) -> str:
    """Return a host name or an IP address, the latter without brackets."""
    raw = _raw(name)
    if raw is None:
        return default
    if "%" in raw:
        raise InvalidEnvironment(f"{name}={raw!r} has a zone (%), which is not supported; use :: for all.")
    if not (_is_host(raw, brackets=True) or _is_host(raw, brackets=False)):
        raise InvalidEnvironment(f"{name}={raw!r} is no host name or IP address; the port goes to PORT.")
    return raw.strip("[]")


def _is_host(text: str, *, brackets: bool) -> bool:
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
    if _raw(name) is None:
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
    raw = _raw(name)
    if raw is None:
        return None
    try:
        return parse_redis_url(raw)
    except InvalidRedisAddress as exc:
        shown = without_password(raw)
        raise InvalidEnvironment(f"{name}={shown!r} {exc}") from None


def refuse_retired() -> None:
    """Raise InvalidEnvironment for a variable that has another name now, or none."""
    for former, name in FORMER_NAMES.items():
        if os.environ.get(former):
            raise InvalidEnvironment(f"{former} is called {name} now: set that instead.")
    for name, reason in GONE_NAMES.items():
        if os.environ.get(name):
            raise InvalidEnvironment(f"{name} is no setting any more, because {reason}: do not set it.")


def read(setting: Setting[T]) -> T:
    """Read one setting of the write path, by the type of its default. Raises InvalidEnvironment."""
    value: Any = _read(setting)
    return value  # type: ignore[no-any-return]  # each branch returns the type of the default


def _read(setting: Setting[Any]) -> Any:
    match setting.default:
        case bool():
            return boolean(setting.name, default=setting.default)
        case int():
            return integer(
                setting.name, setting.default, at_least=int(setting.at_least), at_most=int(setting.at_most)
            )
        case float():
            return seconds(setting.name, setting.default, at_least=setting.at_least, at_most=setting.at_most)
        case _:
            if setting.choices:
                return choice(setting.name, setting.default, choices=setting.choices)
            return _matching(setting, text(setting.name, setting.default))


def _matching(setting: Setting, value: str) -> str:
    # As it was given: a blank or a newline at its end is no part of a good value, and not to be dropped.
    given = os.environ.get(setting.name) or value
    if setting.pattern and not re.fullmatch(setting.pattern, given):
        raise InvalidEnvironment(
            f"{setting.name}={given!r} cannot be used: it has to match {setting.pattern}."
        )
    return value


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
