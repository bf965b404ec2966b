"""The Redis stream that holds accepted writes: read and acknowledged by the writer, looked at by others.

Every function takes the client, so that each caller chooses its time limits. Errors are redis-py's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.core import Script

from workers.store import identity
from workers.stream import keys
from workers.stream.append import DOORBELL_MILLISECONDS
from workers.stream.scripts import source

CONSUMER = "writer"
"""One name for every writer of a store: what its predecessor left unacknowledged is the next one's own."""

IDLE_MILLISECONDS = 3_000
"""How long an idle writer keeps others from ringing by each look at itself, four times a second."""

CLAIM_LINGER_SECONDS = 60
"""How long a claim stays after the commit, for a request that looked for the receipt just before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry read from the stream."""

    write_id: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unacknowledged:
    """An entry that somebody read."""

    write_id: int
    deliveries: int
    """How often it was read."""


_epoch = 0


def begin_epoch(epoch: int) -> None:
    """Name the group of this process, the writer, after its lease; 0 for a lease that cannot be lost."""
    global _epoch  # one per process: it has one lease
    _epoch = epoch


def epoch() -> int:
    """Return the epoch of this process's lease."""
    return _epoch


def group() -> str:
    """Return the name of the consumer group of this process, which is the writer.

    Another store's writer has another group, and so has one that held the lease before: what they read by
    mistake is an error and not a write.
    """
    return group_of(str(identity.current()), _epoch)


def group_of(store: str, epoch: int) -> str:
    """Return the name of the consumer group of a store's writer."""
    return f"writer:{store}:{epoch}" if epoch else f"writer:{store}"


def length(client: redis.Redis) -> int:
    """Return how many accepted writes wait to be committed."""
    count: int = client.xlen(keys.stream())
    return count


def size_bytes(client: redis.Redis) -> int:
    """Return how many bytes of payload wait to be committed."""
    # Counted anew from an empty stream: what it said before is left there.
    return int(client.get(keys.stream_bytes()) or 0) if length(client) else 0


def oldest_age_seconds(client: redis.Redis) -> float | None:
    """Return for how long the oldest waiting write has waited by Redis's clock, or None when none waits."""
    entries: Any = client.xrange(keys.stream(), count=1)
    if not entries:
        return None
    seconds, microseconds = client.time()
    # Ids can run ahead of the clock when it was set back.
    return max(0.0, seconds + microseconds / 1e6 - _write_id(entries[0][0]) / 1e6)


def find(client: redis.Redis, write_id: int) -> Entry | None:
    """Return the entry of this write while it waits in the stream."""
    found: Any = client.xrange(keys.stream(), f"{write_id}-0", f"{write_id}-0", count=1)
    return Entry(write_id=write_id, payload=found[0][1][b"w"]) if found else None


def entries_after(client: redis.Redis, write_id: int, *, count: int) -> list[Entry]:
    """Return, in order, what waits with a higher id, `count` at most. Nothing is read by that."""
    found: Any = client.xrange(keys.stream(), f"{write_id + 1}-0", count=count)
    return [Entry(write_id=_write_id(entry_id), payload=fields[b"w"]) for entry_id, fields in found]


def read_between(client: redis.Redis, first: int, last: int, *, count: int) -> set[int]:
    """Return which writes with these ids, and those between them, the writer has read; `count` at most."""
    try:
        groups: Any = client.xinfo_groups(keys.stream())  # the writer's alone, or none
        pending: list[Any] = []
        for one in groups:
            pending += client.xpending_range(keys.stream(), one["name"], f"{first}-0", f"{last}-0", count)
    except redis.ResponseError:
        return set()  # no stream yet, or its group has just been taken over
    return {_write_id(one["message_id"]) for one in pending}


def last_write_id(client: redis.Redis) -> int:
    """Return the id of the write accepted last, or 0."""
    return int(client.get(keys.last_write_id()) or 0)


def read_unacknowledged(client: redis.Redis, *, count: int) -> list[Entry]:
    """Return, in order, what was read before and never acknowledged: what a crash has left."""
    return _entries(client.xreadgroup(group(), CONSUMER, {keys.stream(): "0"}, count=count))


def oldest_unacknowledged(client: redis.Redis) -> Unacknowledged | None:
    """Return the first entry that was read and not acknowledged."""
    pending: Any = client.xpending_range(keys.stream(), group(), "-", "+", 1)
    if not pending:
        return None
    return Unacknowledged(
        write_id=_write_id(pending[0]["message_id"]), deliveries=pending[0]["times_delivered"]
    )


def read_new(client: redis.Redis, *, count: int, wait_seconds: float = 0.0) -> tuple[list[Entry], bool]:
    """Return, in order, what was never read, and whether any write that waits is cancelled.

    Waits for the first one, 0 for not at all.
    """
    block = max(1, round(wait_seconds * 1000)) if wait_seconds > 0 else None
    # The question comes after the reading, so who is cancelled before it is read is never applied; and in the
    # same round trip, because this is the path of every batch.
    pipeline = client.pipeline(transaction=False)
    pipeline.xreadgroup(group(), CONSUMER, {keys.stream(): ">"}, count=count, block=block)
    pipeline.exists(keys.cancelled())
    replies = pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return _entries(replies[0]), bool(replies[1])


def acknowledge_script(client: redis.Redis) -> Script:
    """Return the script for `acknowledge`, loaded into Redis when it is first needed."""
    return client.register_script(source("acknowledge.lua"))


def acknowledge(script: Script, entries: Sequence[Entry], *, claimed: Sequence[str]) -> None:
    """Remove committed entries, let the claims on their keys run out; keep the doorbell set."""
    script(
        keys=[keys.stream(), keys.stream_bytes(), keys.doorbell()],
        args=[
            group(),
            sum(len(entry.payload) for entry in entries),
            DOORBELL_MILLISECONDS,
            keys.claims(),
            CLAIM_LINGER_SECONDS,
            len(entries),
            *(f"{entry.write_id}-0" for entry in entries),
            *claimed,
        ],
    )


def keep_doorbell(client: redis.Redis) -> None:
    """Have nobody ring for a while: the writer is at the stream."""
    client.set(keys.doorbell(), "1", px=IDLE_MILLISECONDS)


def release_doorbell(client: redis.Redis) -> None:
    """Ask submitters to ring again. The stream must be read once more after this."""
    client.delete(keys.doorbell())


def _write_id(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _entries(reply: Any) -> list[Entry]:
    if not reply:
        return []
    # An entry without fields is one that was deleted while unacknowledged; it only needs the acknowledgement.
    return [
        Entry(write_id=_write_id(entry_id), payload=(fields or {}).get(b"w", b""))
        for entry_id, fields in reply[0][1]
    ]
