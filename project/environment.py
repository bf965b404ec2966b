"""Read settings from environment variables, strictly.

Every reader takes the variable's name and a default, and raises `InvalidEnvironment` with one line that
names the variable, its value and what is expected. An empty value counts as unset, as in compose files.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from workers.conf import Setting


class InvalidEnvironment(Exception):
    """An environment variable has a value that cannot be used."""


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
    return [part.strip() for part in raw.split(",") if part.strip()] if raw else list(default)


def path(name: str, default: Path) -> Path:
    raw = _raw(name)
    return Path(raw).expanduser().resolve() if raw else default


def url(name: str, *, schemes: Sequence[str]) -> str | None:
    """Return the URL, or None when the variable is unset."""
    raw = _raw(name)
    if raw is not None and raw.partition("://")[0] not in schemes:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        raise InvalidEnvironment(f"{name}={raw!r} does not start with {expected}.")
    return raw


def read(setting: Setting) -> object:
    """Read one setting of the write path, by the type of its default."""
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
            return text(setting.name, setting.default)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
