"""The store: each finding is forced on a real one, or by the plain values that it is judged by."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.workers.doctor.stores import examined, make_store
from workers.doctor import Level, sqlite_store
from workers.store.roles import Role


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_the_wal_reset_bug_is_known_by_version(version: sqlite_store.Version, has_bug: bool) -> None:
    finding = sqlite_store.judge_version(version)

    assert sqlite_store.has_reset_bug(version) is has_bug
    assert finding.level is (Level.INFO if has_bug else Level.OK)
    assert ("No other program may write the store." in finding.msg) is has_bug


def test_a_store_that_is_not_in_wal_mode_is_an_error(store: Path) -> None:
    make_store(store, journal_mode="delete")

    finding = examined()["store.writer"]

    assert finding.level is Level.ERROR
    assert "run `manage.py migrate`" in finding.hint
    with closing(sqlite3.connect(store)) as made, made:
        assert made.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize(
    ("role", "changed", "level", "hint"),
    [
        (Role.WRITER, {"journal_mode": "delete"}, Level.ERROR, "Run `manage.py migrate`."),
        (Role.WRITER, {"synchronous": 0}, Level.ERROR, "Set WRITE_SYNCHRONOUS=FULL."),
        (Role.COMMAND, {"synchronous": 1}, Level.WARNING, "Set WRITE_SYNCHRONOUS=FULL."),
        (Role.WEB, {"synchronous": 1}, Level.OK, ""),
        (Role.WEB, {"query_only": 0}, Level.ERROR, "Remove query_only from DATABASES."),
    ],
)
def test_pragmas_that_break_a_promise_are_found(
    role: Role, changed: dict[str, Any], level: Level, hint: str
) -> None:
    fine = {
        "journal_mode": "wal",
        "synchronous": 2,
        "query_only": 1,
        "wal_autocheckpoint": 0,
        "busy_timeout": 1,
    }

    finding = sqlite_store.judge_pragmas(role, fine | changed)

    assert (finding.level, finding.hint) == (level, hint)


@pytest.mark.django_db
def test_a_writer_that_is_not_durable_is_a_warning() -> None:
    with override_settings(WRITE_SYNCHRONOUS="NORMAL"):
        finding = sqlite_store.as_role(Role.WRITER)

    assert finding.level is Level.WARNING
    assert "synchronous=NORMAL" in finding.msg


def test_migrations_to_be_applied_are_an_error(store: Path) -> None:
    make_store(store)

    finding = examined()["store.migrations"]

    assert finding.level is Level.ERROR
    assert finding.hint == "Run `manage.py migrate`."


def test_a_damaged_store_is_an_error(store: Path) -> None:
    make_store(store)
    with store.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096)

    finding = examined()["store.integrity"]

    assert finding.level is Level.ERROR
    assert "`manage.py restore`" in finding.hint


def test_an_index_that_lost_its_rows_is_found_by_the_full_check_alone(store: Path) -> None:
    make_store(store)
    with closing(sqlite3.connect(store)) as made, made:
        # SQLite is told that the index is on another column: each part is well-formed by itself.
        made.execute("PRAGMA writable_schema = ON")
        made.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX by_text ON numbers (number)' WHERE name = 'by_text'"
        )

    assert sqlite_store.integrity(full=False).level is Level.OK
    assert sqlite_store.integrity(full=True).level is Level.ERROR


def test_what_is_no_store_at_all_is_an_error(store: Path) -> None:
    store.write_bytes(b"not a database, however long one looks at it" * 100)

    finding = examined()["store.web"]

    assert finding.level is Level.ERROR
    assert "`manage.py restore`" in finding.hint
