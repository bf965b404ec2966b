"""The write-ahead log: its size, and moving it into the database. See https://www.sqlite.org/wal.html.

Only who holds the store lock does that, so never two at once, and the mark beside the store says that it was
one of us who changed the file.
"""

import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from workers.conf import settings
from workers.exceptions import StoreBusy
from workers.store import store_file
from workers.store.store_file import Mark

WITHOUT_A_WRITER = 4
"""How many times larger than for the writer the log becomes before an ordinary process moves it: where there
is a writer, it has done so before, and no view spends its time on it."""

AGAIN_SECONDS = 1.0
"""Pause between attempts to empty the log while a reader keeps it from being emptied."""


class Lock(Protocol):
    """The store lock; workers/store/lock/store_lock.py."""

    store: Path
    checkpoint_at: float

    def mark(self) -> Mark: ...

    def leave_mark(self, mark: Mark) -> None: ...

    def acquire(self, purpose: str, *, seconds: float) -> None: ...

    def release(self) -> None: ...


def size_bytes(store: Path) -> int:
    """Return the size of the write-ahead log."""
    try:
        return store_file.log_path(store).stat().st_size
    except FileNotFoundError:
        return 0


def checkpoint(lock: Lock, raw: sqlite3.Connection) -> bool:
    """Move the log into the database and empty it; return whether all of it was moved.

    Never waits for a reader: what one still needs stays in the log until the next time. To be called by the
    store lock's holder, outside a transaction. See https://www.sqlite.org/pragma.html#pragma_wal_checkpoint.
    """
    (patience,) = raw.execute("PRAGMA busy_timeout").fetchone()
    raw.execute("PRAGMA busy_timeout = 0")
    # Without content it stands for "being changed by one of us": who is killed meanwhile leaves that.
    lock.leave_mark(replace(lock.mark(), content=None))
    try:
        busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.execute(f"PRAGMA busy_timeout = {patience}")
        lock.leave_mark(store_file.mark_of(lock.store))
    return not busy


def checkpoint_for_want_of_a_writer(lock: Lock, raw: sqlite3.Connection) -> None:
    """Do so where no writer does, once the log is large."""
    now = time.monotonic()
    limit = settings.WRITE_CHECKPOINT_BYTES * WITHOUT_A_WRITER
    if now < lock.checkpoint_at or size_bytes(lock.store) < limit:
        return
    lock.checkpoint_at = now + AGAIN_SECONDS
    try:
        lock.acquire("checkpoint", seconds=0)
    except StoreBusy:
        return  # whoever is next looks too
    try:
        # Refused while this connection itself has rows to fetch. The write before it is done all the same.
        with suppress(sqlite3.OperationalError):
            checkpoint(lock, raw)
    finally:
        lock.release()
