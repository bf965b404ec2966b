"""A backup is one moment of a store, whatever is written meanwhile; what is not sound is none."""

import gzip
import json
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import override_settings

from tests.waiting import until
from tests.workers.backups import stores
from workers.backups import archive, making, snapshot
from workers.backups.archive import BackupError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stores.make(tmp_path / "store.sqlite3")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_a_backup_is_one_sound_file_with_all_rows_also_those_in_the_log(store: Path, place: Path) -> None:
    with stores.writing(store) as raw:  # open, so that closing does not move the log into the file
        stores.add(raw, 10)
        assert Path(f"{store}-wal").stat().st_size > 0
        backup = making.make(store, place, compresses=False)

    assert backup.manifest.rows == {"item": 1_010, "workers_identity": 1}
    assert backup.manifest.identity == "0" * 32
    assert backup.manifest.size_bytes == backup.path.stat().st_size
    with closing(sqlite3.connect(backup.path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert raw.execute("SELECT count(*) FROM item").fetchone() == (1_010,)
    assert sorted(file.name for file in place.iterdir()) == sorted(
        [".lock", backup.path.name, f"{backup.path.name}.json"]
    )


def test_what_is_written_during_the_copy_keeps_neither_the_writer_nor_the_backup(
    tmp_path: Path, place: Path
) -> None:
    store = stores.make(tmp_path / "store.sqlite3", rows=30_000)
    written, is_over = [0], threading.Event()

    def write() -> None:
        with stores.writing(store) as raw:
            raw.execute(
                "PRAGMA busy_timeout = 0"
            )  # the copy must not lock anybody out, not even for a moment
            while not is_over.is_set():
                stores.add(raw, 1)
                written[0] += 1

    writer = threading.Thread(target=write)
    began_at: list[int] = []

    def progress(what: str, part: float) -> None:
        if what == "copy" and not began_at:
            began_at.append(written[0])
            # The copy has begun: what comes now is not of its moment.
            until(lambda: written[0] >= began_at[0] + 5, seconds=30, what="writes during the copy")

    writer.start()
    try:
        backup = making.make(store, place, compresses=False, progress=progress)
    finally:
        is_over.set()
        writer.join()

    assert 30_000 <= backup.manifest.rows["item"] <= 30_000 + began_at[0] + 1
    assert stores.count(store) == 30_000 + written[0]


@pytest.mark.parametrize("compresses", [False, True])
def test_a_backup_is_its_owners_alone_and_named_by_its_moment(
    store: Path, place: Path, compresses: bool
) -> None:
    before = datetime.now(UTC)
    backup = making.make(store, place, compresses=compresses)

    assert backup.is_compressed is compresses
    assert f"store-{before:%Y%m%dT%H}" in backup.path.name
    assert before.timestamp() <= backup.manifest.taken_at <= datetime.now(UTC).timestamp()
    for file in (place, *place.iterdir()):
        assert not file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), file


def test_a_compressed_backup_holds_the_same(store: Path, place: Path, tmp_path: Path) -> None:
    backup = making.make(store, place, compresses=True)
    unpacked = tmp_path / "unpacked.sqlite3"
    unpacked.write_bytes(gzip.decompress(backup.path.read_bytes()))

    assert backup.manifest.size_bytes < backup.manifest.store_bytes == unpacked.stat().st_size
    assert making.verify(unpacked, backup.manifest.rows) == []


def test_only_the_newest_are_kept_and_nothing_else_in_the_directory_is_touched(
    store: Path, place: Path
) -> None:
    place.mkdir()
    others = [place / "notes.txt", place / "other.sqlite3"]
    for file in others:
        file.write_text("mine")
    made = [making.make(store, place, compresses=False) for _ in range(4)]

    removed = archive.prune(made[-1], 2)

    assert sorted(removed) == sorted(backup.path for backup in made[:2])
    assert [backup.path for backup in archive.all_backups(place, store)] == [made[3].path, made[2].path]
    assert all(file.read_text() == "mine" for file in others)
    assert not [file for file in place.iterdir() if file.name.startswith(made[0].path.name)]


def test_backups_of_another_store_in_the_same_directory_are_left_alone(
    store: Path, place: Path, tmp_path: Path
) -> None:
    other = stores.make(tmp_path / "other.sqlite3")
    kept = making.make(other, place, compresses=False)
    newest = making.make(store, place, compresses=False)

    assert archive.prune(newest, 1) == []
    assert [backup.path for backup in archive.all_backups(place, other)] == [kept.path]


def test_a_damaged_store_gives_no_backup(store: Path, place: Path) -> None:
    with stores.writing(store) as raw:
        # An index that has lost a row: reading does not notice, the check does.
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("UPDATE sqlite_master SET sql = sql || ' WHERE id > 5' WHERE name = 'by_name'")

    with pytest.raises(BackupError, match="not sound"):
        making.make(store, place, compresses=False)

    assert archive.all_backups(place, store) == []
    assert not list(place.glob("*.sqlite3*"))


def test_what_is_no_database_is_said(tmp_path: Path, place: Path) -> None:
    store = tmp_path / "store.sqlite3"
    store.write_text("this is no database, and long enough for SQLite to look at its first bytes" * 20)

    with pytest.raises(BackupError, match=r"could not be copied: file is not a database"):
        making.make(store, place, compresses=False)


def test_a_backup_that_fails_leaves_nothing_on_the_disk(
    store: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(what: str, part: float) -> None:
        if what == "compress":
            raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match="No space left"):
        making.make(store, place, compresses=True, progress=full)

    assert [file.name for file in place.iterdir()] == [".lock"]


def test_two_backups_at_once_are_one(store: Path, place: Path) -> None:
    with archive.locked(place, store), pytest.raises(BackupError, match="Another backup is being made"):
        making.make(store, place, compresses=False)


def test_what_an_interrupted_backup_left_is_cleared_away(store: Path, place: Path) -> None:
    place.mkdir()
    for name in ("store.sqlite3.part", "store.sqlite3.part.gz", "store.sqlite3.part-journal"):
        place.joinpath(name).write_text("half of it")
    others = [place / name for name in ("film.part1.rar", "page.html.part", "other.sqlite3.part")]
    for file in others:
        file.write_text("mine")

    making.make(store, place, compresses=True)

    assert sorted(place.glob("*.part*")) == sorted(others)


def test_a_disk_without_room_is_refused_before_anything_is_copied(
    store: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SPARE_BYTES", 2**60)

    with pytest.raises(BackupError, match="MiB free"):
        making.make(store, place, compresses=False)
    assert not list(place.glob("*.sqlite3*"))


MANIFEST = {
    "identity": "x",
    "store": "store.sqlite3",
    "taken_at": 1.0,
    "seconds": 1.0,
    "size_bytes": 1,
    "store_bytes": 1,
    "sha256": "x",
    "rows": {},
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        json.dumps({"identity": "x"}),
        *(
            json.dumps(MANIFEST | wrong)
            for wrong in (
                {"taken_at": "x"},
                {"taken_at": 1e300},
                {"taken_at": float("nan")},
                {"taken_at": -1},
                {"size_bytes": None},
                {"store": 7},
                {"identity": ["x"]},
                {"rows": 7},
                {"rows": {"item": "x"}},
            )
        ),
    ],
)
def test_a_manifest_that_is_none_is_named(place: Path, store: Path, content: str) -> None:
    backup = making.make(store, place, compresses=False)
    archive.manifest_path(backup.path).write_text(content)

    assert archive.all_backups(place, store) == []
    with pytest.raises(BackupError, match="is not the manifest"):
        archive.read(backup.path)


def test_the_directory_is_beside_the_store_or_where_the_setting_says(tmp_path: Path) -> None:
    assert archive.directory().name == "backups"
    with override_settings(WRITE_BACKUP_DIRECTORY=str(tmp_path)):
        assert archive.directory() == tmp_path


def test_a_store_whose_indexes_need_functions_and_collations_of_the_project_is_copied(
    store: Path, place: Path
) -> None:
    with stores.writing(store) as raw, stores.extensions_known(raw):
        raw.execute("CREATE INDEX by_own ON item (own(name), name COLLATE own)")
        backup = making.make(store, place, compresses=False)
        assert making.verify(backup.path, backup.manifest.rows) == []


def test_tables_with_awkward_names_are_counted(tmp_path: Path) -> None:
    store = stores.make(tmp_path / "store.sqlite3")
    with stores.writing(store) as raw:
        raw.execute('CREATE TABLE "a ""table"" of [mine]" (id)')
        raw.execute("CREATE VIRTUAL TABLE words USING fts5(text)")

    with snapshot.snapshot(store) as raw:
        counted = snapshot.counts(raw)

    assert counted['a "table" of [mine]'] == 0
    assert "words" not in counted and "words_content" in counted
