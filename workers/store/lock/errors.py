"""What a holder of the store lock is told of an error of SQLite's."""

import sqlite3
from pathlib import Path

from django.db import OperationalError

from workers.conf import settings
from workers.exceptions import StoreBusy, TransactionTimedOut, WrongStore
from workers.store.lock import purpose, raw_connection
from workers.store.lock.raw_connection import code_of

IN_PROGRESS = "SQL statements in progress"
"""What SQLite says of a COMMIT or RELEASE while the connection itself has rows of a write to fetch."""


def timed_out(holder: str) -> TransactionTimedOut:
    """Return what is raised in a transaction that was cut off."""
    return TransactionTimedOut(
        f"{holder} held the store lock for more than {settings.WRITE_LOCK_HOLD_SECONDS:g} s "
        "(WRITE_LOCK_HOLD_SECONDS), so its transaction was undone."
    )


def of_parent() -> OperationalError:
    """Return what is raised where a process would go on with a transaction of its parent."""
    return OperationalError(
        "This transaction is of the process that this one was forked from, which goes on with it. Close the "
        "connection first: `connections.close_all()`."
    )


def explain_no_lock(exc: BaseException, path: Path) -> None:
    """Tell the request that the store is busy; raise WrongStore where the lock's file cannot be used."""
    if isinstance(exc, StoreBusy):
        purpose.note_busy(exc)
    if isinstance(exc, OSError):
        raise WrongStore(
            f"{path} cannot be locked ({exc}). "
            "Who writes the store has to be able to write that file, and in its directory."
        ) from exc


def explained(exc: sqlite3.Error, store: Path, holder: str, is_late: bool) -> Exception:
    """Return what is raised instead of an error; `is_late`: the holder was found to hold it for too long."""
    code = code_of(exc) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT and is_late:
        return timed_out(holder)
    if code != sqlite3.SQLITE_BUSY or IN_PROGRESS in str(exc):
        return exc
    if raw_connection.is_kept_open(store):
        return OperationalError(
            f"This process was forked while its parent wrote {store}, so SQLite lets it write no more. "
            "Fork at another time, or start a new program: multiprocessing has `spawn` for it."
        )
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
