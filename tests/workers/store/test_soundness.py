"""What a second's look sees of a damaged store, and that it takes no longer."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.workers.backups import stores
from workers.exceptions import WrongStore
from workers.store import read_only, soundness, store_file
from workers.store.lock.store_lock import lock_of

PAGE_BYTES = 4_096


@pytest.fixture(autouse=True)
def _opens_stores(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stores.make(tmp_path / "store.sqlite3")


def overwrite(store: Path, page: int, content: bytes = b"\xff" * PAGE_BYTES) -> None:
    with store.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(content)


def page_of(store: Path, name: str) -> int:
    """Return the first page of a table or an index."""
    with stores.writing(store) as raw:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        page: int = raw.execute(query, [name]).fetchone()[0]
        return page


def test_a_sound_store_is_not_refused(store: Path) -> None:
    soundness.refuse_damaged(store)


def test_one_that_is_not_there_yet_is_left_to_the_migrations(tmp_path: Path) -> None:
    soundness.refuse_damaged(tmp_path / "store.sqlite3")
    tmp_path.joinpath("empty.sqlite3").touch()
    soundness.refuse_damaged(tmp_path / "empty.sqlite3")

    assert not tmp_path.joinpath("store.sqlite3").exists()


@pytest.mark.parametrize("name", ["item", "by_name", "workers_identity"])
def test_an_overwritten_page_is_noticed_and_the_way_back_is_said(store: Path, name: str) -> None:
    overwrite(store, page_of(store, name))

    with pytest.raises(WrongStore, match=r"store.sqlite3 is damaged \(.*`manage.py restore`"):
        soundness.refuse_damaged(store)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"no database" * 10, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 84, "not a database"),
    ],
)
def test_an_overwritten_header_is_noticed(store: Path, content: bytes, found: str) -> None:
    overwrite(store, 1, content)

    with pytest.raises(WrongStore, match=found):
        soundness.refuse_damaged(store)


def test_a_file_that_lacks_its_end_is_noticed(store: Path) -> None:
    os.truncate(store, store.stat().st_size - 3 * PAGE_BYTES)

    with pytest.raises(WrongStore, match="malformed"):
        soundness.refuse_damaged(store)


def test_a_free_list_of_more_pages_than_there_are_is_noticed(store: Path) -> None:
    with store.open("r+b") as file:
        file.seek(36)  # https://www.sqlite.org/fileformat2.html, section 1.3
        file.write((10**6).to_bytes(4, "big"))

    with pytest.raises(WrongStore, match="is damaged"):
        soundness.refuse_damaged(store)


def test_a_log_of_another_file_is_called_that_and_not_damage(store: Path, tmp_path: Path) -> None:
    with stores.writing(store) as raw:
        stores.add(raw, 1_000)
        lock_of(store).leave_mark(store_file.mark_of(store))
        os.replace(stores.make(tmp_path / "other.sqlite3"), store)

        with pytest.raises(WrongStore, match="is not the file that"):
            soundness.refuse_damaged(store)


def slow(value: Any) -> Any:
    time.sleep(0.01)  # the time that a table of some size takes, here of a few rows
    return value


def test_the_look_ends_in_time_and_small_tables_are_looked_at_all_the_same(tmp_path: Path) -> None:
    """Given tables that take longer than there is time, of which SQLite itself looks at one first."""
    store = tmp_path / "store.sqlite3"
    with stores.writing(store) as raw:
        raw.create_function("slow", 1, lambda value: value, deterministic=True)
        for name in ("large", "small", "larger"):
            raw.execute(
                f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, made INT AS (slow(id)) NOT NULL, own TEXT)"
            )
        raw.execute("INSERT INTO small VALUES (1, NULL)")
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)"
        for name in ("large", "larger"):
            raw.execute(f"INSERT INTO {name} {numbers} SELECT n, 'x' FROM n")
        raw.execute("PRAGMA writable_schema = 1")
        raw.execute("UPDATE sqlite_master SET sql = replace(sql, 'own TEXT', 'own TEXT NOT NULL')")

    with read_only.opened(store) as raw:
        raw.create_function("slow", 1, slow, deterministic=True)
        assert soundness._look(raw, time.monotonic() + 2) == "NULL value in small.own"
        assert soundness._checked(raw, 'PRAGMA quick_check("large")', 0.05) == (False, None)


def test_a_store_is_looked_at_once_by_each_process(store: Path) -> None:
    soundness.refuse_damaged(store)
    overwrite(store, page_of(store, "item"))

    soundness.refuse_damaged(store)


def test_functions_and_collations_of_the_project_are_known(store: Path) -> None:
    with stores.writing(store) as raw, stores.extensions_known(raw):
        raw.execute("CREATE INDEX by_own ON item (own(name), name COLLATE own)")
        overwrite(store, page_of(store, "item"))

        with pytest.raises(WrongStore, match="is damaged"):
            soundness.refuse_damaged(store)
