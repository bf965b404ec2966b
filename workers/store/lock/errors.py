"""What a holder of the store lock is told of an error of SQLite's."""

import sqlite3
from pathlib import Path

from django.db import OperationalError

from workers.conf import settings
from workers.exceptions import StoreBusy, TransactionTimedOut
from workers.store.lock import purpose


def code_of(exc: sqlite3.Error) -> int:
    """Return SQLite's extended code; 0 for an error of Python's own module, which has none."""
    return getattr(exc, "sqlite_errorcode", 0)


def timed_out(holder: str) -> TransactionTimedOut:
    """Return what is raised in a transaction that was cut off."""
    return TransactionTimedOut(
        f"{holder} held the store lock for more than {settings.WRITE_LOCK_HOLD_SECONDS:g} s "
        "(WRITE_LOCK_HOLD_SECONDS), so its transaction was undone."
    )


def explained(exc: sqlite3.Error, store: Path, holder: str, is_late: bool) -> Exception:
    """Return what is raised instead of an error; `is_late`: the holder was found to hold it for too long."""
    code = code_of(exc) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT and is_late:
        return timed_out(holder)
    if code != sqlite3.SQLITE_BUSY:
        return exc
    if code_of(exc) == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return OperationalError(
            "What this connection has read, or has still to fetch, was changed by others since, so it cannot "
            "write. Begin anew; fetch all rows of a query first."
        )
    busy = StoreBusy(
        f"{store} is locked by a program that does not take the store lock ({exc}). "
        "`manage.py doctor` names who has it open."
    )
    purpose.note_busy(busy)
    return busy
