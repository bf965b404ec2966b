"""Insert many rows with few statements, in the way that each database is fastest at."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

ROWS_AT_ONCE = 500
"""In one statement of PostgreSQL."""


def insert(cursor: Any, head: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows; `head` is the statement up to and without VALUES. Raises django.db.Error."""
    if not rows:
        return
    values = f"({', '.join(['%s'] * len(rows[0]))})"
    if connection.vendor == "sqlite":
        cursor.executemany(f"{head} VALUES {values}", rows)  # prepared once, and no trip to a server for each
        return
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        cursor.execute(
            f"{head} VALUES {', '.join([values] * len(some))}", [value for row in some for value in row]
        )
