"""Why no writer is at work, and what to do about it: one text for commands, health and doctor."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import redis
from django.db import Error

from workers.encoding.counts import waiting
from workers.encoding.times import utc_text
from workers.operations.status import QueueStatus
from workers.store import opening
from workers.store.holder import Holder
from workers.store.lease import held_by
from workers.stream import ownership, pauses
from workers.stream.redis_client import shared_client

NO_WRITER = "No writer is at work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Why no writer is at work."""

    reason: str
    """A clause without its full stop, to which the consequence is added."""
    hint: str


def holder() -> Holder | None:
    """Return who holds the lease, or None when nobody does, or its server does not respond.

    Raises OSError when it may not be looked at.
    """
    with suppress(Error):
        return held_by()
    return None


def explain(client: redis.Redis) -> Absence:
    """Say what keeps a writer from its work, once it is known that none shows progress.

    Raises redis.RedisError.
    """
    with_lease = None
    with suppress(OSError):
        with_lease = holder()
    causes = list(_causes(pauses.requested(client), with_lease, opening.lock_in_the_way()))
    if not causes:
        return Absence(reason=NO_WRITER, hint="Start one with `manage.py up`.")
    return Absence(
        reason="; ".join(cause.reason for cause in causes), hint=" ".join(cause.hint for cause in causes)
    )


def problems_of(status: QueueStatus) -> list[str]:
    """Return why nothing is committed now, in sentences; none when a writer can. Raises redis.RedisError."""
    client = shared_client()
    if status.is_of_another_store:
        return [ownership.describe(client)]
    if status.writer is None:
        why = explain(client)
        return [f"{why.reason}: {waiting(status.length)}. {why.hint}"]
    if status.writer.error:
        return [f"The writer cannot commit, and {waiting(status.length)}: {status.writer.error}"]
    return []


def why_no_writer() -> str:
    """Return why no writer is at work, as a clause without its full stop."""
    try:
        return explain(shared_client()).reason
    except redis.RedisError:
        return NO_WRITER


def _causes(pause: pauses.Pause | None, holder: Holder | None, with_lock: Holder | None) -> Iterator[Absence]:
    if pause is not None:
        yield Absence(
            reason=f"{pause.by} asks for a pause, until {utc_text(pause.until)} at the latest",
            hint="`manage.py resume` ends it.",
        )
    if holder is not None:
        yield Absence(
            reason=f"{holder} holds the lease and shows no progress: it is starting, busy with one long "
            "write, or frozen",
            hint=holder.hint,
        )
    if with_lock is not None and (holder is None or holder.pid != with_lock.pid):
        yield Absence(
            reason=f"{with_lock} has held the store lock for {with_lock.held_seconds:.0f} s, and no writer "
            "can begin until it gives it back",
            hint=with_lock.hint,
        )
