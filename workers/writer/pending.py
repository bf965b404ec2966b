"""What was read and never acknowledged: by a writer that died, or before Redis went away.

Redis counts how often each entry was delivered. Normal entries are delivered once. After a death of the
writer the batch is taken again as it was; after a second one its entries are taken one by one, so that the
count of the one that kills the writer grows and its neighbours are committed. One that was delivered
WRITE_MAX_DELIVERIES times is poison: it gets the outcome `failed` without being tried again.
"""

import logging
from collections.abc import Sequence

import redis

from workers.conf import settings
from workers.stream import redis_stream
from workers.stream.redis_stream import Entry
from workers.writes import Write

logger = logging.getLogger(__name__)

BATCH_DELIVERIES = 1
"""Deliveries up to which a batch is tried again as a whole."""


class PendingEntries:
    """The unacknowledged entries of the stream, in order, before anything new."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._may_exist = True  # a predecessor may have died
        self._was_leftover = False
        self._deliveries = 0

    def expect(self) -> None:
        """Note that a batch is under way."""
        self._was_leftover, self._may_exist = self._may_exist, True

    def suspect(self) -> None:
        """Note that a reply was lost: what it held counts as read, and would be passed over."""
        self._may_exist = True

    def acknowledged(self) -> None:
        """Note that the batch is acknowledged; after a leftover there may be more of them."""
        self._may_exist = self._was_leftover

    def read(self, *, count: int) -> Sequence[Entry]:
        """Return what is left over, alone where a death is suspected of its first entry; or nothing."""
        if not self._may_exist:
            return []
        oldest = redis_stream.oldest_unacknowledged(self._client)
        if oldest is None:
            self._may_exist, self._deliveries = False, 0
            return []
        alone = oldest.deliveries > BATCH_DELIVERIES
        entries = redis_stream.read_unacknowledged(self._client, count=1 if alone else count)
        self._deliveries = oldest.deliveries
        logger.warning(
            "batch state=taken-again writes=%s first=%s deliveries=%s",
            len(entries),
            oldest.write_id,
            oldest.deliveries,
        )
        return entries

    def is_poison(self, write: Write) -> bool:
        """Return whether the write at hand has killed the writer too often to be tried again."""
        return self._may_exist and self._was_leftover and self._deliveries >= settings.WRITE_MAX_DELIVERIES
