"""An operator's pause: ask the writer for the lease, see that it let go, and let it go on."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from workers import heartbeat, pauses
from workers.conf import settings
from workers.exceptions import WritePathError
from workers.heartbeat import WriterState
from workers.lease import Lease
from workers.lease_probe import is_held
from workers.pauses import Kind, Pause
from workers.tasks import ring

POLL_SECONDS = 0.05

RESUME_SECONDS = 5.0
"""Longest wait for a writer to be at work again; one that stands by looks four times a second."""


class StillWriting(WritePathError):
    """The writer did not give the lease back in time."""


class NobodyWrites(WritePathError):
    """No writer began to work in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A pause in force."""

    until: datetime
    was_at_work: bool
    """Whether there was a writer to pause."""


def pause(client: redis.Redis, *, seconds: float) -> Paused:
    """Ask the writer to give the lease back, and return once no writer holds it.

    The pause holds for writers that start meanwhile too. Raises StillWriting when the writer keeps the
    lease for longer than WRITE_PAUSE_TIMEOUT_SECONDS; the pause holds all the same. Raises redis.RedisError.
    """
    until = time.time() + seconds
    was_at_work = heartbeat.read(client) is not None or writer_holds_lease()
    asked_by = Pause(by=f"manage.py pause on {socket.gethostname()}", until=until)
    pauses.request(client, Kind.OPERATOR, asked_by, seconds=seconds)
    ring()
    limit = min(settings.WRITE_PAUSE_TIMEOUT_SECONDS, seconds)
    if not _within(limit, lambda: not writer_holds_lease()):
        raise StillWriting(
            f"{_holder()} did not give the lease back within {limit:g} s: it may be busy with a long write "
            f"or frozen. The pause holds until {moment(until)}, so it stops as soon as it can. See "
            "`manage.py writer_status`; to end it at once, kill that process."
        )
    return Paused(until=datetime.fromtimestamp(until, tz=UTC), was_at_work=was_at_work)


def resume(client: redis.Redis) -> tuple[bool, WriterState]:
    """Withdraw the pause; return whether there was one, and the writer, once one is at work.

    Raises NobodyWrites when none is within RESUME_SECONDS, and redis.RedisError.
    """
    was_paused = pauses.withdraw(client, Kind.OPERATOR)
    ring()
    writer: WriterState | None = None

    def is_at_work() -> bool:
        nonlocal writer
        writer = heartbeat.read(client)
        return writer is not None

    if not _within(RESUME_SECONDS, is_at_work) or writer is None:
        raise NobodyWrites(_why_nobody_writes(client, was_paused=was_paused))
    return was_paused, writer


def _why_nobody_writes(client: redis.Redis, *, was_paused: bool) -> str:
    begin = "The pause is withdrawn" if was_paused else "There was no pause to withdraw"
    message = f"{begin}, but no writer began to work within {RESUME_SECONDS:g} s. "
    other = pauses.requested(client)
    if other is not None:
        return f"{message}{other.by} asks for a pause too: wait until it ends."
    if is_held(Lease().path):
        return f"{message}The lease is held by {_holder()}: wait until it ends."
    return f"{message}Start one with `manage.py up`."


def writer_holds_lease() -> bool:
    """Return whether the lease is held by a writer, not by a command whose turn it is.

    The lease decides, not the heartbeat: a frozen writer loses its heartbeat and still holds the lease.
    """
    lease = Lease()
    if not is_held(lease.path):
        return False
    holder = lease.holder()
    # One that has just taken it has not said who it is yet.
    return holder is None or holder.get("purpose") == "writer"


def _holder() -> str:
    holder = Lease().holder() or {}
    return f"{holder.get('purpose', 'another process')} (pid {holder.get('pid', 'unknown')})"


def _within(seconds: float, ask: Callable[[], bool]) -> bool:
    """Return whether the answer became true within the time."""
    deadline = time.monotonic() + seconds
    while not ask():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def moment(seconds_since_1970: float) -> str:
    """Return a time for people to read."""
    return f"{datetime.fromtimestamp(seconds_since_1970, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
