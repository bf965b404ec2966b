"""What the drivers of SQLite and PostgreSQL say of a connection, in one form."""

import sqlite3
from typing import Any

_IDLE, _ACTIVE, _IN_ERROR, _UNKNOWN = 0, 1, 3, 4
"""PGTransactionStatusType of libpq: https://www.postgresql.org/docs/current/libpq-status.html."""


def is_in_transaction(raw: Any) -> bool | None:
    """Return whether a transaction is open, as the driver knows; None when the connection is closed."""
    if raw is None:
        return None
    if isinstance(raw, sqlite3.Connection):
        try:
            return raw.in_transaction
        except sqlite3.ProgrammingError:  # closed behind Django's back
            return None
    if getattr(raw, "closed", False):
        return None
    return _status(raw) not in {_IDLE, _UNKNOWN}


def was_closed(raw: Any) -> bool:
    """Return whether this process closed a connection to PostgreSQL itself, which was not lost."""
    return bool(getattr(raw, "closed", False)) and not getattr(raw, "broken", True)


def has_failed(raw: Any) -> bool:
    """Return whether PostgreSQL takes nothing more in this transaction until some of it is undone."""
    return _status(raw) == _IN_ERROR


def _status(raw: Any) -> int:
    # A number or an enumeration, as psycopg was built; of another database's driver, whatever is known.
    return int(getattr(getattr(raw, "pgconn", None), "transaction_status", _ACTIVE))
