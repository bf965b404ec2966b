"""Which errors of the store pass by themselves, and which are a write's own: the one list.

Transient: the store is unwell, every write would fail alike, and waiting helps. The batch is undone and tried
again. Everything else is an outcome of the one write that met it.
See https://www.sqlite.org/rescode.html for SQLite's codes.
"""

import sqlite3

from django.db import DatabaseError, InterfaceError

from workers.exceptions import WrongStore

SQLITE_READONLY = sqlite3.SQLITE_READONLY
SQLITE_INTERRUPT = sqlite3.SQLITE_INTERRUPT

TRANSIENT_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        # They do not pass by themselves, but are no fault of a write either: it waits for a sound store.
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)


def sqlite_code(exc: BaseException) -> int | None:
    """Return SQLite's primary result code behind an error of Django's, or None for another database's."""
    code: int | None = getattr(exc.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_transient(exc: BaseException) -> bool:
    """Return whether the store, not the write, is at fault."""
    if isinstance(exc, WrongStore):
        return True
    if not isinstance(exc, DatabaseError | InterfaceError):
        return False
    code = sqlite_code(exc)
    # SQL mistakes (no such table) are OperationalError too on SQLite, with the code SQLITE_ERROR.
    return code in TRANSIENT_SQLITE_CODES


def raise_if_transient(exc: BaseException) -> None:
    """Raise the error again when the store is at fault."""
    if is_transient(exc):
        raise exc
