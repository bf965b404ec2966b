"""Read the stream in order: pending entries first, then what is new.

Pending entries were read and never acknowledged: by a writer that died, or before Redis went away. Redis
counts how often each entry was delivered. Normal entries are delivered once. After a death of the writer the
batch is taken again as it was; after a second one its entries are taken one by one, so that the count of the
one that kills the writer grows and its neighbours are committed. One that was delivered WRITE_MAX_DELIVERIES
times is poison: it gets the outcome `failed` without being tried again.
"""

import base64
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from workers.conf import settings
from workers.exceptions import UndecodableEntry
from workers.stream import redis_stream
from workers.stream.redis_stream import Entry
from workers.writes import UNDECODABLE, Write, decode

logger = logging.getLogger(__name__)

BATCH_DELIVERIES = 1
"""Deliveries up to which a batch is tried again as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries that are committed together."""

    entries: Sequence[Entry]
    deliveries: int = 0
    """How often the first one was delivered before; 0 for new entries."""

    poison: int | None = None
    """Id of the write that has killed the writer too often to be tried again. It is then the only one."""

    may_be_cancelled: bool = True
    """False when no write was cancelled at the time of reading."""

    @property
    def begins_large(self) -> bool:
        """Return whether its first write is large. One elsewhere is only in a batch that is taken again."""
        return _are_large(self.entries[:1])[0]

    def is_poison(self, write: Write) -> bool:
        """Return whether this write of the batch is to be failed without being applied."""
        return write.write_id == self.poison


class Reader:
    """Reads batches for the one writer, who acknowledges each before it reads the next."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._looks_for_pending = True  # a predecessor may have died
        self._rest: Sequence[Entry] = ()
        """Read, and not given out yet: it begins with a write that is a batch of its own."""

    @property
    def has_rest(self) -> bool:
        """Return whether something was read that is still to be given out."""
        return bool(self._rest)

    def read(self, *, wait_seconds: float) -> Batch | None:
        """Return the next batch, or None when nothing came in time. Raises redis.RedisError."""
        if self._looks_for_pending:
            self._rest = ()  # it was not acknowledged, so it is pending too
            if batch := self._read_pending():
                return batch
        # True until the acknowledgement: should a reply be lost, what it held counts as read.
        self._looks_for_pending = True
        if self._rest:
            return self._first_of(self._rest, any_cancelled=True)
        count = settings.WRITE_BATCH_MAX_WRITES
        entries, any_cancelled = redis_stream.read_new(self._client, count=count, wait_seconds=wait_seconds)
        if not entries:
            self._looks_for_pending = False
            return None
        return self._first_of(entries, any_cancelled=any_cancelled)

    def _first_of(self, entries: Sequence[Entry], *, any_cancelled: bool) -> Batch:
        """Return the entries that are to be committed together, from the first on, and keep the rest.

        What waits before a write that takes long is committed before it: its clients wait for themselves.
        """
        end = _end_of_batch(entries)
        self._rest = entries[end:]
        return Batch(entries=entries[:end], may_be_cancelled=any_cancelled)

    def acknowledged(self, batch: Batch) -> None:
        """Note that the batch is out of the stream."""
        # After pending entries there may be more of them; before new ones there was none.
        self._looks_for_pending = batch.deliveries > 0

    def _read_pending(self) -> Batch | None:
        """Return what is pending, alone where a death is suspected of its first entry."""
        oldest = redis_stream.oldest_unacknowledged(self._client)
        if oldest is None:
            return None
        alone = oldest.deliveries > BATCH_DELIVERIES
        count = 1 if alone else settings.WRITE_BATCH_MAX_WRITES
        entries = redis_stream.read_unacknowledged(self._client, count=count)
        if not entries:
            return None
        logger.warning(
            "batch state=taken-again writes=%s first=%s deliveries=%s",
            len(entries),
            oldest.write_id,
            oldest.deliveries,
        )
        is_poison = oldest.deliveries >= settings.WRITE_MAX_DELIVERIES
        return Batch(
            entries=entries,
            deliveries=oldest.deliveries,
            # The count is that of the oldest entry, and says nothing of one that was read after it.
            poison=oldest.write_id if is_poison else None,
        )


def _end_of_batch(entries: Sequence[Entry]) -> int:
    """Return how many entries are a batch: all before one that is large and follows one that is not.

    Several large ones are one batch, and of these there are few, so that this costs few commits.
    """
    large = _are_large(entries)
    ends = (place for place in range(1, len(large)) if large[place] and not large[place - 1])
    return next(ends, len(large))


def _are_large(entries: Sequence[Entry]) -> list[bool]:
    """Say of each entry whether it has no room beside another one in its client's share.

    See workers/submission/shares.py. The setting is asked once for all of them: to ask costs as much as ten
    comparisons.
    """
    share = settings.WRITE_SHARE_BYTES
    return [0 < share < 2 * len(entry.payload) for entry in entries]


def decoded(entry: Entry) -> Write:
    """Return the write that an entry holds; what cannot be decoded has no write function."""
    try:
        return decode(entry.write_id, entry.payload)
    except UndecodableEntry:
        logger.exception("write=%s state=undecodable", entry.write_id)
        # Kept whole in its receipt, under a name that no write function has.
        return Write(
            function=UNDECODABLE,
            arguments={"entry": base64.b64encode(entry.payload).decode()},
            token=uuid.uuid5(uuid.NAMESPACE_OID, str(entry.write_id)).hex,
            write_id=entry.write_id,
        )
