"""Who holds the lease or the store lock, for people to read and to act on."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.encoding.times import utc_text

WRITER = "writer"
"""The purpose for which the writer takes both."""

PATIENCE_SECONDS = 2.0
"""How long the store lock may be held before its holder is named as what keeps the writer from its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds it, and what for."""

    purpose: str
    pid: int | None
    since: float | None
    """When it took it, in seconds since 1970."""
    is_here: bool = True
    """Whether the pid is one of this machine."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Holder":
        """Return the holder that a lock's file names, as far as it does."""
        pid, since = content.get("pid"), content.get("since")
        return cls(
            purpose=str(content.get("purpose") or "an unknown process"),
            pid=pid if isinstance(pid, int) else None,
            since=since if isinstance(since, int | float) else None,
        )

    @classmethod
    def unknown(cls) -> "Holder":
        """Return one that has just taken it, and has not said yet who it is."""
        return cls.of({})

    @property
    def is_writer(self) -> bool:
        return self.purpose == WRITER

    @property
    def held_seconds(self) -> float:
        # Clocks are set back.
        return 0.0 if self.since is None else max(0.0, time.time() - self.since)

    @property
    def is_stopped(self) -> bool:
        """Whether it is known to be stopped, as by Ctrl-Z."""
        return self.is_here and self.pid is not None and _state(self.pid) in {"T", "t"}

    @property
    def is_in_the_way(self) -> bool:
        """Whether it holds the store lock for so long, or stopped, that others are told of it."""
        return self.is_stopped or self.held_seconds > PATIENCE_SECONDS

    @property
    def keeps_the_lock(self) -> str:
        """A sentence for whoever waits for the store lock."""
        return f"{self} holds the store lock."

    @property
    def hint(self) -> str:
        if self.is_stopped:
            return f"It is stopped (Ctrl-Z): let it go on with `fg` in its terminal, or kill {self.pid}."
        if self.is_writer:
            return "If it stays so, kill that process: a standby takes over within a second."
        return "Wait until its transaction ends. If it waits for somebody in one: go on there, or kill it."

    def __str__(self) -> str:
        since = "" if self.since is None else f", since {utc_text(self.since)}"
        return f"{self.purpose} (pid {'unknown' if self.pid is None else self.pid}{since})"


def _state(pid: int) -> str:
    """Return the state of a process as /proc tells it, or nothing where that cannot be read."""
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return stat.rpartition(")")[2].split()[0]  # the name before it may hold blanks and brackets
    return ""
