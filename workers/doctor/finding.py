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
    found: str
    """What was found, as a sentence."""
    remedy: str = ""
    """What to do; empty when there is nothing to do."""


def ok(name: str, found: str) -> Finding:
    return Finding(level=Level.OK, name=name, found=found)


def info(name: str, found: str) -> Finding:
    return Finding(level=Level.INFO, name=name, found=found)


def warning(name: str, found: str, remedy: str) -> Finding:
    return Finding(level=Level.WARNING, name=name, found=found, remedy=remedy)


def error(name: str, found: str, remedy: str) -> Finding:
    return Finding(level=Level.ERROR, name=name, found=found, remedy=remedy)


def size(count: float) -> str:
    """Return a number of bytes for people to read."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
