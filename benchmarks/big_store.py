"""Stores with millions of rows, made once by plain SQL and kept between runs."""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.bench import Bench

# Names as clients choose them: in no order, so that the index on them is as wide as it would be in real life.
FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO items_item (id, name, created_at, updated_at, version)
SELECT n, printf('%08x item %d', (n * 2654435761) & 0xffffffff, n), ?, ?, 1 FROM numbers
"""
DAY = "2026-01-01 00:00:00"


def big_store(bench: Bench, rows: int) -> Path:
    """Return a store with that many items and all indexes; makes it when the cache does not hold it."""
    template = bench.template / "store.sqlite3"
    with closing(sqlite3.connect(template)) as connection:
        schema = "\n".join(
            sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master ORDER BY name") if sql
        )
    # The token is the template's, and made anew in each run: it is copied into the cached store below.
    digest = hashlib.sha256((schema + FILL).encode()).hexdigest()[:12]
    bench.cache.mkdir(parents=True, exist_ok=True)
    path = bench.cache / f"store-{rows}-{digest}.sqlite3"
    if not path.exists():
        draft = path.with_suffix(".draft")
        shutil.copyfile(template, draft)
        fill(draft, rows)
        draft.rename(path)
    _take_over_accounts(path, template)
    return path


def fill(path: Path, rows: int) -> None:
    """Insert the rows without the indexes, then make these: the same store in a third of the time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = off")
        connection.execute("PRAGMA synchronous = off")
        connection.execute("PRAGMA cache_size = -1000000")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type = 'index' AND tbl_name = 'items_item' AND sql > ''"
        ).fetchall()
        connection.execute("BEGIN")
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute(FILL, (rows, DAY, DAY))
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
        (count,) = connection.execute("SELECT count(*) FROM items_item").fetchone()
        assert count == rows, (count, rows)
        connection.execute("PRAGMA journal_mode = wal")


def _take_over_accounts(path: Path, template: Path) -> None:
    """Give the cached store this run's user and token."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS template", (str(template),))
        connection.execute("PRAGMA foreign_keys = off")
        connection.execute("BEGIN")
        for table in ("knox_authtoken", "auth_user"):
            connection.execute(f"DELETE FROM main.{table}")
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM template.{table}")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
