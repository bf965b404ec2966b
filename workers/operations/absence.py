"""Why no writer is at work, and what to do about it: one text for commands, health and doctor."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from django.db import connections

from workers.store.lease.lease import Lease, is_held
from workers.stream import pauses
from workers.stream.redis_client import shared_client

NO_WRITER = "No writer is at work"

WRITER = "writer"
"""The purpose for which a writer takes the lease; a command's is its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds the lease."""

    purpose: str
    pid: int | None
    since: float | None
    """When it took the lease, in seconds since 1970."""

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
        return self.pid is not None and _state(self.pid) in {"T", "t"}

    @property
    def hint(self) -> str:
        if self.is_stopped:
            return f"It is stopped (Ctrl-Z): let it go on with `fg` in its terminal, or kill {self.pid}."
        if self.is_writer:
            return "If it stays so, kill that process: a standby takes over within a second."
        return "Wait until it ends; a shell or a command that waits for input: leave it, or kill it."

    def __str__(self) -> str:
        since = "" if self.since is None else f", since {moment(self.since)}"
        return f"{self.purpose} (pid {'unknown' if self.pid is None else self.pid}{since})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Why no writer is at work."""

    reason: str
    """A clause without its full stop, to which the consequence is added."""
    hint: str


def holder_of(content: dict[str, Any] | None) -> Holder:
    """Return the holder that the lease's file names, as far as it does."""
    content = content or {}
    pid, since = content.get("pid"), content.get("since")
    return Holder(
        purpose=str(content.get("purpose") or "an unknown process"),
        pid=pid if isinstance(pid, int) else None,
        since=since if isinstance(since, int | float) else None,
    )


def holder() -> Holder | None:
    """Return who holds the lease, or None when nobody does. Raises OSError when it may not be looked at."""
    if connections["default"].vendor != "sqlite":
        return None
    lease = Lease()
    return holder_of(lease.holder()) if is_held(lease.path) else None


def explain(client: redis.Redis) -> Absence:
    """Say what keeps a writer from its work, once it is known that none shows progress.

    Raises redis.RedisError.
    """
    with_lease = None
    with suppress(OSError):
        with_lease = holder()
    causes = list(_causes(pauses.requested(client), with_lease))
    if not causes:
        return Absence(reason=NO_WRITER, hint="Start one with `manage.py up`.")
    return Absence(
        reason="; ".join(cause.reason for cause in causes), hint=" ".join(cause.hint for cause in causes)
    )


def why_no_writer() -> str:
    """Return why no writer is at work, as a clause without its full stop."""
    try:
        return explain(shared_client()).reason
    except redis.RedisError:
        return NO_WRITER


def _causes(pause: pauses.Pause | None, holder: Holder | None) -> Iterator[Absence]:
    if pause is not None:
        yield Absence(
            reason=f"{pause.by} asks for a pause, until {moment(pause.until)} at the latest",
            hint="`manage.py resume` ends it."
            if pause.kind is pauses.PauseKind.OPERATOR
            else "It ends by itself: wait.",
        )
    if holder is not None and holder.is_writer:
        yield Absence(
            reason=f"{holder} holds the lease and shows no progress: it is starting, busy with one long "
            "write, or frozen",
            hint=holder.hint,
        )
    elif holder is not None:
        yield Absence(
            reason=f"{holder} has held the lease for {holder.held_seconds:.0f} s, and no writer can work "
            "until it ends",
            hint=holder.hint,
        )


def moment(seconds_since_1970: float) -> str:
    """Return a time for people to read."""
    return f"{datetime.fromtimestamp(seconds_since_1970, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def _state(pid: int) -> str:
    """Return the state of a process as /proc tells it, or nothing where that cannot be read."""
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return stat.rpartition(")")[2].split()[0]  # the name before it may hold blanks and brackets
    return ""
