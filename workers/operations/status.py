"""The state of the write path at a glance, for health, commands and people."""

from dataclasses import dataclass

import redis

from workers.exceptions import QueueUnavailable
from workers.stream import heartbeat, ownership, redis_stream
from workers.stream.heartbeat import WriterState
from workers.stream.redis_client import shared_client


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """What the stream and the writer show at one moment."""

    length: int
    """Accepted writes that wait to be committed."""
    oldest_age_seconds: float | None
    """For how long the oldest of them has waited; None when none waits."""
    writer: WriterState | None
    """What the writer says of itself; None when none is at work."""
    is_of_another_store: bool
    """Whether all of this is that of another store, which this service must leave alone."""


def queue_status() -> QueueStatus:
    """Ask Redis. Raises QueueUnavailable."""
    client = shared_client()
    try:
        return QueueStatus(
            length=redis_stream.length(client),
            oldest_age_seconds=redis_stream.oldest_age_seconds(client),
            writer=heartbeat.read(client),
            is_of_another_store=ownership.is_known_to_be_anothers(client),
        )
    except redis.RedisError as exc:
        raise QueueUnavailable(f"Redis does not respond: {exc}") from exc
