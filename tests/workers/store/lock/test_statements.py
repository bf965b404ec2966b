"""Which statements write, by their text; SQLite itself is asked, through a connection that may only read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.store.lock import statements

WRITES = [
    "INSERT INTO t VALUES (1)",
    "INSERT OR IGNORE INTO t VALUES (1)",
    "REPLACE INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "CREATE TABLE u (a)",
    "ALTER TABLE t ADD COLUMN b",
    "DROP TABLE t",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "WITH n AS (SELECT 1 AS i) INSERT INTO t SELECT i FROM n",
    "WITH n AS (SELECT 1 AS i) INSERT OR REPLACE INTO t SELECT i FROM n",
    "WITH n AS (SELECT 1 AS i) REPLACE INTO t SELECT i FROM n",
    "WITH n(i) AS (VALUES (1)) UPDATE t SET a = (SELECT i FROM n)",
    "WITH n(i) AS (VALUES (1)) DELETE FROM t WHERE a IN (SELECT i FROM n)",
    "PRAGMA user_version = 7",
    "PRAGMA main.user_version=7",
    "PRAGMA application_id(7)",
    "PRAGMA journal_mode = DELETE",
]
READS = [
    "SELECT a FROM t",
    "SELECT replace(a, 'x', 'y') FROM t",
    "VALUES (1)",
    "WITH n AS (SELECT 1 AS i) SELECT replace(i, 'a', 'b') AS updated FROM n",
    "WITH n(i) AS (SELECT a FROM t) SELECT i AS deleted FROM n",
    "EXPLAIN QUERY PLAN INSERT INTO t VALUES (1)",
    "PRAGMA user_version",
    "PRAGMA table_info(t)",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA busy_timeout = 10",
    "PRAGMA integrity_check",
    "PRAGMA foreign_key_check",
]
IN_VAIN = ["WITH n AS (SELECT 'delete from t' AS i) SELECT i FROM n"]
"""Reads that take the lock: to know better one would have to parse them."""

BEFORE = st.lists(st.sampled_from([" ", "\n", ";", "-- INSERT\n", "/* UPDATE */", "/*\n*/"]), max_size=3)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as raw:
        raw.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        raw.execute("CREATE INDEX i ON t (a)")
        raw.execute("PRAGMA query_only = 1")
        yield raw


def _writes(reader: sqlite3.Connection, sql: str) -> bool:
    try:
        reader.execute(sql).fetchall()
    except sqlite3.OperationalError as exc:
        assert exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY, exc
        return True
    return False


@pytest.mark.parametrize("sql", WRITES)
def test_what_sqlite_refuses_to_a_reader_takes_the_lock(reader: sqlite3.Connection, sql: str) -> None:
    assert statements.writes(sql)
    if not sql.startswith(("PRAGMA journal_mode", "VACUUM")):  # not refused by query_only, yet they write
        assert _writes(reader, sql)


@pytest.mark.parametrize("sql", READS)
def test_what_only_reads_does_not(reader: sqlite3.Connection, sql: str) -> None:
    assert not statements.writes(sql)
    assert not _writes(reader, sql)


@pytest.mark.parametrize("sql", IN_VAIN)
def test_a_read_that_looks_like_a_write_may_wait_in_vain(reader: sqlite3.Connection, sql: str) -> None:
    assert statements.writes(sql)
    assert not _writes(reader, sql)


@given(before=BEFORE, sql=st.sampled_from(WRITES + READS), upper=st.booleans())
def test_what_stands_before_it_and_its_case_change_nothing(before: list[str], sql: str, upper: bool) -> None:
    text = "".join(before) + (sql.upper() if upper else sql.lower())

    assert statements.writes(text) is (sql in WRITES)


@pytest.mark.parametrize("sql", ["BEGIN", "begin immediate", "SAVEPOINT s"])
def test_what_opens_a_transaction_takes_the_lock(sql: str) -> None:
    assert statements.writes(sql)


@pytest.mark.parametrize("sql", ["COMMIT", "END", "ROLLBACK", "RELEASE s", "ATTACH 'x' AS y", "DETACH y", ""])
def test_what_ends_one_does_not(sql: str) -> None:
    assert not statements.writes(sql)
