"""A finding: what was looked at, what was found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    """As it should be."""
    INFO = "info"
    """Worth knowing, and nothing to do about."""
    WARNING = "warning"
    """Works, with less than is promised or not for long."""
    ERROR = "error"
    """A promise does not hold, or writes are not committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    name: str
    """What was looked at: `<part>.<aspect>`, stable, for programs too."""
    msg: str
    """What was found, as a sentence; `msg` and `hint` as in Django's checks."""
    hint: str = ""
    """What to do; empty when there is nothing to do."""


def ok(name: str, msg: str) -> Finding:
    return Finding(level=Level.OK, name=name, msg=msg)


def info(name: str, msg: str) -> Finding:
    return Finding(level=Level.INFO, name=name, msg=msg)


def warning(name: str, msg: str, hint: str) -> Finding:
    return Finding(level=Level.WARNING, name=name, msg=msg, hint=hint)


def error(name: str, msg: str, hint: str) -> Finding:
    return Finding(level=Level.ERROR, name=name, msg=msg, hint=hint)


def size(count: float) -> str:
    """Return a number of bytes for people to read."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
