"""What a statement does, as far as its beginning tells.

Statements that write and begin otherwise are known by SQLite's refusal, and tried again with the lock; after
BEGIN that would be too late, because what was read before the lock was taken may be out of date:
https://www.sqlite.org/isolation.html.
"""

import re

_BEFORE = r"(?>\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
"""Blanks and comments."""

_WRITING = re.compile(
    _BEFORE + r"(?:BEGIN|SAVEPOINT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|VACUUM|REINDEX|ANALYZE)\b",
    re.I | re.S,
)
_BEGINNING_ANEW = re.compile(_BEFORE + r"(?:BEGIN\b|ROLLBACK\b(?!\s+(?:TRANSACTION\s+)?TO\b))", re.I | re.S)
_MOVING_LOG = re.compile(_BEFORE + r"PRAGMA\s+(?:\w+\s*\.\s*)?wal_checkpoint\b", re.I | re.S)


def writes(sql: str) -> bool:
    """Return whether it writes, or opens a transaction in which others may."""
    return _WRITING.match(sql) is not None


def begins_anew(sql: str) -> bool:
    """Return whether it leaves a former transaction behind."""
    return _BEGINNING_ANEW.match(sql) is not None


def moves_log(sql: str) -> bool:
    """Return whether it moves the write-ahead log into the file."""
    return _MOVING_LOG.match(sql) is not None
