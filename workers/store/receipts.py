"""Receipts: one row for each write that has an outcome, inserted in the same transaction as its effect.

Plain SQL, because this is the path of every write; `workers.models.Receipt` is the same table for reading.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connection, connections

from workers.conf import settings
from workers.store.rows import insert as insert_rows
from workers.writes import Outcome, Write, WriteStatus, encode_arguments

TABLE = "workers_receipt"
COLUMNS = (
    "write_id",
    "token",
    "function",
    "principal",
    "fingerprint",
    "status",
    "http_status",
    "etag",
    "key",
    "body",
    "traceback",
    "arguments",
    "retry_of",
    "committed_at",
)
_INSERT = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)})"
_SELECT = f"SELECT token, fingerprint, write_id, status, http_status, etag, key, body FROM {TABLE} WHERE "  # noqa: S608 - constants

OWN_BYTES = 190
"""Of a receipt in an SQLite file, its two indexes included, beside the texts whose length differs."""

SAMPLE = 100
"""Receipts whose mean length stands for that of all."""

NAME_CHARACTERS, KEY_CHARACTERS = 100, 255
"""What the columns hold. SQLite takes longer texts; PostgreSQL would refuse the whole batch for one."""

FIND_AT_ONCE = 500
"""Tokens in one query; SQLite allowed 999 parameters before 3.32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a receipt says to whoever sends its write again."""

    fingerprint: str | None
    outcome: Outcome


def find(tokens: Iterable[str]) -> dict[str, Known]:
    """Return the receipts that exist for these tokens."""
    wanted = list(tokens)
    known: dict[str, Known] = {}
    with connection.cursor() as cursor:
        for start in range(0, len(wanted), FIND_AT_ONCE):
            some = wanted[start : start + FIND_AT_ONCE]
            cursor.execute(f"{_SELECT} token IN ({', '.join(['%s'] * len(some))})", some)
            for token, fingerprint, write_id, status, http_status, etag, key, body in cursor.fetchall():
                # PostgreSQL has a type for them.
                known[token if isinstance(token, str) else token.hex] = Known(
                    fingerprint=fingerprint or None,
                    outcome=Outcome(
                        write_id=write_id,
                        status=WriteStatus(status),
                        http_status=http_status,
                        etag=etag,
                        key=key,
                        body=body.encode(),
                    ),
                )
    return known


def insert(settled: Sequence[tuple[Write, Outcome]], *, committed_at: datetime) -> None:
    """Record outcomes. Must run in the transaction that holds the effects."""
    moment = connection.ops.adapt_datetimefield_value(committed_at)
    rows = [
        (
            outcome.write_id,
            write.token,
            write.function[:NAME_CHARACTERS],
            write.principal[:NAME_CHARACTERS],
            write.fingerprint or "",
            outcome.status,
            outcome.http_status,
            _or_none(outcome.etag),
            _or_none(outcome.key),
            outcome.body.decode(),
            outcome.traceback,
            encode_arguments(write) if outcome.status is WriteStatus.FAILED else "",
            write.retry_of,
            moment,
        )
        for write, outcome in settled
    ]
    with connection.cursor() as cursor:
        insert_rows(cursor, _INSERT, rows)


def _or_none(text: str | None) -> str | None:
    return None if text is None or len(text) > KEY_CHARACTERS else text


def is_taken(write_id: int) -> bool:
    """Return whether a receipt has this id."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {TABLE} WHERE write_id = %s", [write_id])  # noqa: S608 - constant
        return cursor.fetchone() is not None


def last_write_id() -> int:
    """Return the highest id that a receipt has, or 0."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(write_id) FROM {TABLE}")  # noqa: S608 - constant
        return cursor.fetchone()[0] or 0


def estimate() -> tuple[int, int] | None:
    """Return about how many receipts there are, and their bytes, without a scan; None if that is unknown.

    SQLite numbers the rows as they come, and the oldest are the ones that go: so the numbers have no gaps.
    """
    if connection.vendor != "sqlite":
        return None
    with connection.cursor() as cursor:
        # Two queries within: SQLite goes to one end of a table at once, but not to both in one.
        cursor.execute(f"SELECT (SELECT max(rowid) FROM {TABLE}), (SELECT min(rowid) FROM {TABLE})")  # noqa: S608
        last, first = cursor.fetchone()
        if last is None:
            return 0, 0
        cursor.execute(
            "SELECT avg(length(body) + length(traceback) + length(arguments)) FROM "  # noqa: S608 - constants
            f"(SELECT * FROM {TABLE} ORDER BY write_id DESC LIMIT {SAMPLE})"
        )
        count: int = last - first + 1
        return count, round(count * (OWN_BYTES + cursor.fetchone()[0]))


def are_kept_since(moment: float) -> bool:
    """Return whether none was pruned since then, in seconds since 1970: one of that moment would be there."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(write_id) FROM {TABLE}")  # noqa: S608 - constant
        oldest = cursor.fetchone()[0]
    if oldest is not None and oldest <= moment * 1_000_000:  # ids are times, and the oldest go first
        return True
    is_young = time.time() - moment < settings.WRITE_RECEIPT_DAYS * 86_400
    return is_young and not newest_beyond(settings.WRITE_MAX_RECEIPTS // 2)


def delete_before(write_id: int, *, limit: int) -> int:
    """Delete the oldest receipts below an id, `limit` at most; return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE write_id IN "  # noqa: S608 - constant
            f"(SELECT write_id FROM {TABLE} WHERE write_id < %s ORDER BY write_id LIMIT %s)",
            [write_id, limit],
        )
        count: int = cursor.rowcount
        return count


def newest_beyond(count: int) -> int:
    """Return the highest id that is not among the newest `count` receipts, or 0."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT write_id FROM {TABLE} ORDER BY write_id DESC LIMIT 1 OFFSET %s", [count])  # noqa: S608
        row = cursor.fetchone()
        return row[0] if row else 0


def reached(write_id: int, *, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Return whether this write, or a later one, has a receipt: writes are committed in order."""
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {TABLE} WHERE write_id >= %s LIMIT 1", [write_id])  # noqa: S608 - constant
        return cursor.fetchone() is not None
