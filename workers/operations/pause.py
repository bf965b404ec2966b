"""An operator's pause: ask the writer for the lease, see that it let go, and let it go on."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from workers.conf import settings
from workers.encoding.times import utc_text
from workers.exceptions import WritePathError
from workers.operations import absence
from workers.stream import heartbeat, ownership, pauses
from workers.stream.doorbell import ring
from workers.stream.heartbeat import WriterState
from workers.stream.pauses import Pause

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


def ask(client: redis.Redis, *, seconds: float, by: str) -> float:
    """Ask for the lease, as this command of this host; return until when (s since 1970).

    Raises redis.RedisError.
    """
    asked = Pause(by=f"manage.py {by} on {socket.gethostname()}", until=time.time() + seconds)
    pauses.request(client, asked, seconds=seconds)
    return asked.until


def pause(client: redis.Redis, *, seconds: float, by: str = "pause") -> Paused:
    """Ask the writer to give the lease back, and return once no writer holds it.

    The pause holds for writers that start meanwhile too; `by` is the command that asks.
    Raises StillWriting when the writer keeps the lease for longer than WRITE_PAUSE_TIMEOUT_SECONDS; the pause
    holds all the same. Raises StreamOfAnotherStore and StoreNotReady, then nobody was asked, and
    redis.RedisError.
    """
    ownership.refuse_another_stores(client)
    was_at_work = heartbeat.read(client) is not None or writer_holds_lease()
    until = ask(client, seconds=seconds, by=by)
    ring()
    limit = min(settings.WRITE_PAUSE_TIMEOUT_SECONDS, seconds)
    if not _within(limit, lambda: not writer_holds_lease()):
        raise StillWriting(
            f"{absence.holder() or 'The writer'} did not give the lease back within {limit:g} s: it may be "
            f"busy with a long write or frozen. The pause holds until {utc_text(until)}, so it stops as soon "
            "as it can. See `manage.py writer_status`; to end it at once, kill that process."
        )
    return Paused(until=datetime.fromtimestamp(until, tz=UTC), was_at_work=was_at_work)


def resume(client: redis.Redis) -> tuple[bool, WriterState]:
    """Withdraw the pause; return whether there was one, and the writer, once one is at work.

    Raises NobodyWrites when none is within RESUME_SECONDS, StreamOfAnotherStore, StoreNotReady, and
    redis.RedisError.
    """
    ownership.refuse_another_stores(client)
    was_paused = pauses.withdraw(client)
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
    why = absence.explain(client)
    return f"{begin}, but no writer began to work within {RESUME_SECONDS:g} s. {why.reason}. {why.hint}"


def writer_holds_lease() -> bool:
    """Return whether some process is the writer.

    The lease decides, not the heartbeat: a frozen writer loses its heartbeat and still holds the lease.
    """
    return absence.holder() is not None


def _within(seconds: float, ask: Callable[[], bool]) -> bool:
    """Return whether the response became true within the time."""
    deadline = time.monotonic() + seconds
    while not ask():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
