"""The writes that wait in the stream: shown to operators, and cancelled by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import redis

from workers.exceptions import QueueUnavailable, StreamOfAnotherStore, UndecodableEntry
from workers.models import accepted_at
from workers.stream import cancellations, ownership, redis_stream
from workers.stream.cancellations import Cancelled
from workers.stream.redis_client import shared_client
from workers.writes import UNDECODABLE, Write, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWrite:
    """A write that was accepted, and has no receipt yet."""

    write_id: int
    function: str
    """Empty where its entry cannot be decoded."""
    principal: str
    size_bytes: int
    """Of its entry in the stream."""
    is_read: bool
    """Whether the writer has read it, and is about to commit it or keeps it for a store that is unwell."""
    is_cancelled: bool

    @property
    def accepted_at(self) -> datetime:
        return accepted_at(self.write_id)


def waiting(*, after: int = 0, count: int) -> list[WaitingWrite]:
    """Return the writes that wait, in order, `count` at most, those with higher ids than `after`.

    Raises QueueUnavailable, StreamOfAnotherStore and StoreNotReady.
    """
    client = shared_client()
    try:
        _refuse_another_stores(client)
        entries = redis_stream.entries_after(client, after, count=count)
        if not entries:
            return []
        first, last = entries[0].write_id, entries[-1].write_id
        read = redis_stream.read_between(client, first, last, count=count)
        cancelled = cancellations.between(client, first, last)
    except redis.RedisError as exc:
        raise QueueUnavailable(f"Redis does not respond: {exc}") from exc
    return [
        _waiting_write(entry, is_read=entry.write_id in read, is_cancelled=entry.write_id in cancelled)
        for entry in entries
    ]


def cancel(write_ids: Sequence[int]) -> dict[int, Cancelled]:
    """Cancel writes that wait, and return what that met, by id.

    Raises QueueUnavailable when it is not known, StreamOfAnotherStore and StoreNotReady.
    """
    try:
        return dict(zip(write_ids, cancellations.cancel(shared_client(), write_ids), strict=True))
    except redis.RedisError as exc:
        raise QueueUnavailable(f"Redis does not confirm it: {exc}. Look whether they still wait.") from exc


def _refuse_another_stores(client: redis.Redis) -> None:
    if ownership.is_of_another_store(client):
        raise StreamOfAnotherStore(ownership.describe(client))


def _waiting_write(entry: redis_stream.Entry, *, is_read: bool, is_cancelled: bool) -> WaitingWrite:
    write = _decoded(entry)
    return WaitingWrite(
        write_id=entry.write_id,
        function=write.function if write else UNDECODABLE,
        principal=write.principal if write else "",
        size_bytes=len(entry.payload),
        is_read=is_read,
        is_cancelled=is_cancelled,
    )


def _decoded(entry: redis_stream.Entry) -> Write | None:
    try:
        return decode(entry.write_id, entry.payload)
    except UndecodableEntry:
        return None
