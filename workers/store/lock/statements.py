"""What a statement does, told by its text: https://www.sqlite.org/lang.html lists all that there are.

Who takes a read for a write waits for the store lock in vain; who takes a write for a read writes without the
lock. So what could write counts as a write. A SELECT cannot, except by functions that an extension brings.
"""

import re

BEFORE = r"(?>\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
"""Blanks and comments."""

_CHANGING = r"(?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO\b|UPDATE\b|DELETE\s+FROM\b"
"""After common table expressions."""

_PRAGMA_OF_THE_FILE = (
    r"(?:\w+\s*\.\s*)?(?:(?:incremental_vacuum|optimize)\b|(?:application_id|auto_vacuum|default_cache_size|"
    r"encoding|journal_mode|page_size|schema_version|user_version)\s*[=(])"
)
"""Others are of the connection, or only tell: https://www.sqlite.org/pragma.html."""

_WRITING = re.compile(
    BEFORE + r"(?:(?:BEGIN|SAVEPOINT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|VACUUM|REINDEX|ANALYZE)\b"
    rf"|WITH\b.*\b(?:{_CHANGING})|PRAGMA\s+{_PRAGMA_OF_THE_FILE})",
    re.I | re.S,
)
_OPENING = re.compile(BEFORE + r"(?:BEGIN|SAVEPOINT)\b", re.I)
_ASKING_LATE = re.compile(
    BEFORE + r"(?:BEGIN(?!\s+(?:IMMEDIATE|EXCLUSIVE)\b)|SAVEPOINT)\b|" + BEFORE + r"\Z", re.I
)
_BEGINNING_ANEW = re.compile(BEFORE + r"(?:BEGIN\b|ROLLBACK\b(?!\s+(?:TRANSACTION\s+)?TO\b))", re.I | re.S)
_TURNING_LOG_ON = re.compile(BEFORE + r"PRAGMA\s+(?:main\s*\.\s*)?journal_mode\s*[=(]\s*['\"]?wal\b", re.I)
_MOVING_LOG = re.compile(BEFORE + r"PRAGMA\s+(?:\w+\s*\.\s*)?wal_checkpoint\b", re.I | re.S)


def writes(sql: str) -> bool:
    """Return whether it writes, or opens a transaction in which others may."""
    return _WRITING.match(sql) is not None


def changes(sql: str) -> bool:
    """Return whether it writes by itself, as far as its text tells."""
    return writes(sql) and _OPENING.match(sql) is None


def asks_late(sql: str) -> bool:
    """Return whether it opens a transaction that asks for SQLite's lock when it writes, or is ""."""
    return _ASKING_LATE.match(sql) is not None


def begins_anew(sql: str) -> bool:
    """Return whether it leaves a former transaction behind."""
    return _BEGINNING_ANEW.match(sql) is not None


def turns_log_on(sql: str) -> bool:
    """Return whether it turns the write-ahead log on."""
    return _TURNING_LOG_ON.match(sql) is not None


def moves_log(sql: str) -> bool:
    """Return whether it moves the write-ahead log into the file."""
    return _MOVING_LOG.match(sql) is not None
