"""Who caused an error of the store: the one list.

Transient: the store is unwell, every write would fail alike, and waiting helps. The batch is undone and tried
again. Everything else is an outcome of the one write that met it.

Of a read: the store's, which is 503; the request's, which asks for what no store could look for, 400; or else
the program's, 500.
See https://www.sqlite.org/rescode.html for SQLite's codes.
"""

import sqlite3
from collections.abc import Iterator
from types import FrameType

from django.db import DatabaseError, DataError, InterfaceError, OperationalError

from workers.exceptions import LeaseLost, StoreBusy, TransactionTimedOut, WrongStore

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
        # They do not pass by themselves, but no write caused them either: it waits for a sound store.
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

REQUEST_SQLITE_CODES = frozenset({sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE})

# SQLite has one code, SQLITE_ERROR, for a statement past its limits, for a value that one of its functions
# cannot take, and for a table that is missing. Only the texts, constants of its source, tell them apart.
REQUEST_SQLITE_TEXTS = (
    "expression tree is too large",
    "too many sql variables",
    "too many terms in compound select",
    "too many arguments on function",
    "too many columns in",
    "at most 64 tables in a join",
    "parser stack overflow",
    "like or glob pattern too complex",
    "integer overflow",
    "user-defined function raised exception",  # Django's REGEXP, of a pattern that is none
    "malformed match expression",
    "fts5:",
    "malformed json",
    "bad json path",
    "json path error",
)

TRANSIENT_CLASSES = frozenset({"08", "53"})
"""Connection and resources."""
TRANSIENT_STATES = frozenset(
    {
        *("58000", "58030"),  # the system: its disk, above all
        *("57P01", "57P02", "57P03", "57P05"),  # the server stops, has crashed, or starts
        *("40001", "40P01", "55P03"),  # somebody else's locks
        *("25006", "25P03"),  # a replica by now; idle for too long
    }
)
"""See https://www.postgresql.org/docs/current/errcodes-appendix.html.

Not among them, unlike SQLite's, are damage and the server's own errors (XX000): they are about one table or
statement. A write that met them would keep all others waiting for ever; so it fails, and they are committed.
"""

DAMAGED_STATES = frozenset({"XX001", "XX002", "58P01", "58P02"})
"""A page, an index, or a file that is missing or in the way."""

QUERY_CANCELED = "57014"
RAISED_BY_TRIGGER = "P0001"

READING = frozenset({"cursor_iter", "apply_converters"})
"""Where Django makes values of what came from the store."""


def sqlite_code(exc: BaseException) -> int | None:
    """Return SQLite's primary result code behind an error of Django's, or None for another database's."""
    code: int | None = getattr(exc.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def sqlstate(exc: BaseException) -> str | None:
    """Return PostgreSQL's code behind an error of Django's; None where the server gave none."""
    code: str | None = getattr(exc.__cause__, "sqlstate", None)
    return code


def is_interrupted(exc: BaseException) -> bool:
    """Return whether a statement was stopped because it took too long."""
    return sqlite_code(exc) == SQLITE_INTERRUPT or sqlstate(exc) == QUERY_CANCELED


def is_transient(exc: BaseException) -> bool:
    """Return whether the store, not the write, caused it."""
    if isinstance(exc, WrongStore | StoreBusy | LeaseLost):
        return True
    if not isinstance(exc, DatabaseError | InterfaceError):
        return False
    code = sqlite_code(exc)
    if code is None and _is_of_server(exc):
        state = sqlstate(exc)
        # Without a code: the server does not respond, or the connection to it is gone.
        return (
            state[:2] in TRANSIENT_CLASSES or state in TRANSIENT_STATES if state else _is_of_connection(exc)
        )
    # SQL mistakes (no such table) are OperationalError too on SQLite, with the code SQLITE_ERROR.
    return code in TRANSIENT_SQLITE_CODES


def _is_of_server(exc: BaseException) -> bool:
    return type(exc.__cause__).__module__.startswith("psycopg")


def _is_of_connection(exc: BaseException) -> bool:
    return isinstance(exc, OperationalError | InterfaceError)


def raise_if_transient(exc: BaseException) -> None:
    """Raise the error again when the store caused it."""
    if is_transient(exc):
        raise exc


def is_store_error(exc: BaseException) -> bool:
    """Return whether a read failed because the store is unwell or, on a server, out of reach."""
    if is_transient(exc) or sqlstate(exc) in DAMAGED_STATES:
        return True
    is_told = sqlite_code(exc) is not None or sqlstate(exc) is not None
    return _is_of_connection(exc) and not is_told


def is_cut_off(exc: BaseException) -> bool:
    """Return whether a read took longer than WRITE_READ_TIME_LIMIT_SECONDS."""
    if isinstance(exc, TransactionTimedOut):
        return False  # the statement was stopped, but for what was written before
    return isinstance(exc, OperationalError) and is_interrupted(exc)


def is_request_error(exc: BaseException) -> bool:
    """Return whether a read failed because of what was asked for: too much, or out of range."""
    if isinstance(exc, DataError):
        return True
    if isinstance(exc, DatabaseError):
        code = sqlite_code(exc)
        if code == sqlite3.SQLITE_ERROR:
            return str(exc).lower().startswith(REQUEST_SQLITE_TEXTS)
        return code in REQUEST_SQLITE_CODES
    return isinstance(exc, ArithmeticError | ValueError) and _met_a_value_for_the_store(exc)


def _met_a_value_for_the_store(exc: BaseException) -> bool:
    """Return whether the error came up while a value was made ready for a statement, or was bound to it."""
    modules = ("django.db.models.fields", "django.db.models.lookups", "django.db.backends.")
    is_met = False
    for frame in _frames(exc):
        if frame.f_code.co_name in READING:
            return False
        is_met = is_met or frame.f_globals.get("__name__", "").startswith(modules)
    return is_met


def _frames(exc: BaseException) -> Iterator[FrameType]:
    traceback = exc.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
