"""When the writer moves the write-ahead log into the database: between batches, once it is large."""

import logging
import sqlite3
import time
from contextlib import suppress

from django.db import DatabaseError, connection

from workers.conf import settings
from workers.store import opening, pragmas, store_file, wal

logger = logging.getLogger(__name__)


class Checkpoints:
    """Of the one writer."""

    def __init__(self) -> None:
        self._not_before = 0.0
        self._puts_off = False

    def after_batch(self, *, was_large: bool) -> None:
        """Look after each batch; after a large one only if the look before was not put off too.

        Others have waited for a large one already: first they are committed, and the log waits for a batch.
        """
        self._puts_off = was_large and not self._puts_off
        if not self._puts_off:
            self.look()

    def look(self) -> None:
        """Empty the log if it is large enough. A reader that keeps it from being emptied is told of."""
        now = time.monotonic()
        guard = opening.own_guard()
        if guard is None or now < self._not_before:
            return
        if wal.size_bytes(guard.lock.store) < settings.WRITE_CHECKPOINT_BYTES:
            return
        try:
            with guard.kept():
                emptied = wal.checkpoint(guard.lock, guard.raw)
        except (DatabaseError, sqlite3.Error) as exc:
            logger.warning("checkpoint state=failed error=%s", exc)
            emptied = False
        if not emptied:
            self._not_before = now + wal.AGAIN_SECONDS
            wal_bytes = wal.size_bytes(guard.lock.store)
            if wal_bytes > pragmas.JOURNAL_SIZE_LIMIT_BYTES:
                logger.warning(
                    "checkpoint state=held-back wal_bytes=%s reason=long-reader hint='manage.py doctor'",
                    wal_bytes,
                )


def log_bytes() -> int | None:
    """Return the size of the write-ahead log; None where there is none, or it may not be looked at."""
    if connection.vendor == "sqlite":
        with suppress(OSError):
            return wal.size_bytes(store_file.path())
    return None
