"""Real stores in files of their own, for what copies and replaces them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created


def make(path: Path, rows: int = 1_000) -> Path:
    """Make a store with a write-ahead log, an identity, and so many rows."""
    with writing(path) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("CREATE TABLE workers_identity (identity varchar(32) PRIMARY KEY)")
        raw.execute("INSERT INTO workers_identity VALUES (?)", ["0" * 32])
        raw.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
        raw.execute("CREATE INDEX by_name ON item (name)")
        add(raw, rows)
    return path


def add(raw: sqlite3.Connection, rows: int) -> None:
    """Add rows in one transaction."""
    raw.execute("BEGIN IMMEDIATE")
    raw.executemany("INSERT INTO item (name) VALUES (?)", ((f"item {n:0100}",) for n in range(rows)))
    raw.execute("COMMIT")


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        yield raw


@contextmanager
def extensions_known(raw: sqlite3.Connection) -> Iterator[None]:
    """Give this connection, and those that Django makes in the block, a function and a collation `own`."""

    def extend(raw: sqlite3.Connection) -> None:
        raw.create_function("own", 1, lambda value: value, deterministic=True)
        raw.create_collation("own", lambda one, other: (one > other) - (one < other))

    def extend_new(connection: Any, **_: object) -> None:
        extend(connection.connection)

    extend(raw)
    connection_created.connect(extend_new)
    try:
        yield
    finally:
        connection_created.disconnect(extend_new)


def count(path: Path) -> int:
    with writing(path) as raw:
        found: int = raw.execute("SELECT count(*) FROM item").fetchone()[0]
        return found
