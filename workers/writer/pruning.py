"""Old receipts are deleted by the writer, in slices small enough not to hold up any write."""

import logging
import time

from django.db import Error, transaction

from workers.conf import settings
from workers.store import receipts

logger = logging.getLogger(__name__)

SLICE = 1_000
"""Receipts deleted at once: a few milliseconds."""

SLICE_SECONDS = 0.25
"""Pause between slices: 4,000 a second, more than arrive."""

LOOK_SECONDS = 60.0
"""Pause between looks for something to prune, when there was nothing."""

COUNT_SECONDS = 600.0
"""Pause between counts, which read the whole index."""

DAY_MICROSECONDS = 86_400 * 1_000_000


class Pruning:
    """Keeps the receipts within WRITE_RECEIPT_DAYS and WRITE_MAX_RECEIPTS."""

    def __init__(self) -> None:
        self._next_slice = 0.0
        self._next_count = 0.0
        self._surplus_before = 0

    def prune_a_little(self) -> int:
        """Delete one slice when it is due; return how many receipts that were."""
        now = time.monotonic()
        if now < self._next_slice:
            return 0
        try:
            with transaction.atomic():
                deleted = receipts.delete_before(self._boundary(now), limit=SLICE)
        except Error as exc:  # a write would meet the same error, and wait for the store; this need not
            logger.warning("prune state=failed error=%s", exc)
            deleted = 0
        self._next_slice = now + (SLICE_SECONDS if deleted == SLICE else LOOK_SECONDS)
        if deleted:
            logger.info("prune state=deleted receipts=%s", deleted)
        return deleted

    def _boundary(self, now: float) -> int:
        """Return the write id below which receipts go: ids are times."""
        if now >= self._next_count:
            self._next_count = now + COUNT_SECONDS
            self._surplus_before = receipts.newest_beyond(settings.WRITE_MAX_RECEIPTS)
        too_old = time.time_ns() // 1_000 - settings.WRITE_RECEIPT_DAYS * DAY_MICROSECONDS
        return max(too_old, self._surplus_before + 1)
