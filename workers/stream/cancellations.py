"""Cancellations: writes that wait in the stream, and are not to be applied any more.

A sorted set of their ids, which the writer asks after it has read. It rejects such a write in its place,
with a receipt; who waits for it is told. Nothing is taken out of the stream by anybody else.
"""

from collections.abc import Sequence, Set
from enum import StrEnum
from typing import Any

import redis

from workers.exceptions import StreamOfAnotherStore
from workers.store import identity
from workers.stream import keys
from workers.stream.scripts import source


class Cancelled(StrEnum):
    """What a cancellation met."""

    IN_TIME = "cancelled"
    """The writer has not read the write, and will reject it."""
    READ = "read"
    """The writer has the write: it is rejected only if the writer has not begun with it, or begins anew."""
    GONE = "gone"
    """It does not wait: it has its receipt, or was never accepted."""


def cancel(client: redis.Redis, write_ids: Sequence[int]) -> list[Cancelled]:
    """Cancel writes that wait; say of each what that met. Each gets a receipt when the writer comes to it.

    Raises StreamOfAnotherStore, StoreNotReady, and redis.RedisError.
    """
    script = client.register_script(source("cancel.lua"))
    replies = script(
        keys=[keys.owner(), keys.stream(), keys.cancelled()],
        args=[str(identity.current()), *map(str, write_ids)],
    )
    if replies == [b"another_store"]:
        raise StreamOfAnotherStore
    return [Cancelled(reply.decode()) for reply in replies]


def between(client: redis.Redis, first: int, last: int) -> Set[int]:
    """Return which writes with these ids, and those between them, are cancelled."""
    found: Any = client.zrangebyscore(keys.cancelled(), first, last)
    return {int(write_id) for write_id in found}


def forget(client: redis.Redis, *, through: int) -> None:
    """Forget cancellations up to this write, which is out of the stream, as are all before it."""
    client.zremrangebyscore(keys.cancelled(), "-inf", through)
