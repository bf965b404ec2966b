"""`backup`, `restore` and `vacuum` as typed: what cannot be done is one line, what is foreign stays."""

import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.workers.backups import stores
from workers.backups import archive, making

NOBODY = 65_534


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store that the commands take for theirs."""
    tmp_path.joinpath("data").mkdir()
    store = stores.make(tmp_path / "data" / "store.sqlite3")
    connections.close_all()
    original = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(store)
    yield store
    connections.close_all()
    connection.settings_dict["NAME"] = original


@pytest.fixture
def place(store: Path) -> Path:
    return store.parent / "backups"


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [("backup", "--to="), ("restore", ""), ("restore", "--from="), ("writer", "--progress-file=")],
)
def test_a_path_that_is_empty_is_refused(store: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="it is empty"):
        run(*arguments)


@pytest.mark.parametrize("command", [["backup"], ["restore", "--drill"], ["vacuum"], ["vacuum", "--full"]])
def test_without_a_store_none_is_made(store: Path, place: Path, command: list[str]) -> None:
    making.make(store, place, compresses=False)
    store.unlink()

    with pytest.raises(CommandError, match="does not exist: set DATA_DIR"):
        run(*command)

    assert not store.exists()


@pytest.mark.parametrize("command", [["backup"], ["restore", "--drill"], ["vacuum"]])
def test_a_store_that_is_none_is_said_in_one_line(store: Path, place: Path, command: list[str]) -> None:
    making.make(store, place, compresses=False)
    store.write_bytes(b"nothing that SQLite could read" * 1_000)

    with pytest.raises(CommandError, match="file is not a database"):
        run(*command)


def test_a_drill_leaves_nothing_and_clears_away_what_a_killed_one_left(store: Path, place: Path) -> None:
    making.make(store, place, compresses=False)
    left, mine = place / ".store.sqlite3.scratch-left", place / "scratch-mine"
    for directory in (left, mine):
        directory.mkdir()
        (directory / "store.sqlite3").write_text("half of it")

    with archive.scratch(place, store) as at_work:
        assert "sound, 1,001 rows" in run("restore", "--drill")

        assert at_work.is_dir()
    assert not left.exists()
    assert mine.is_dir() and not at_work.exists()


def test_a_drill_does_not_fill_the_disk(store: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making.make(store, place, compresses=False)
    monkeypatch.setattr(making, "SPARE_BYTES", 2**60)

    with pytest.raises(CommandError, match="MiB free"):
        run("restore", "--drill")


def test_writing_the_store_anew_does_not_fill_the_disk(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "SPARE_BYTES", 2**60)
    content = store.read_bytes()

    with pytest.raises(CommandError, match=r"MiB free.*Nothing was changed"):
        run("vacuum", "--full")

    assert store.read_bytes() == content


def test_services_that_share_a_directory_keep_their_own_backups(
    store: Path, place: Path, tmp_path: Path
) -> None:
    tmp_path.joinpath("other").mkdir()
    other = stores.make(tmp_path / "other" / "store.sqlite3", rows=5)
    with stores.writing(other) as raw:
        raw.execute("UPDATE workers_identity SET identity = ?", ["1" * 32])
    making.make(store, place, compresses=False)
    kept = making.make(other, place, compresses=False)

    run("backup", "--keep=1")
    said = run("restore", "--no-input", "--from", str(place))

    assert kept.path.exists()
    assert [found.manifest.identity for found in archive.all_backups(place, store)] == ["0" * 32, "1" * 32]
    assert stores.count(store) == 1_000
    assert "another store" not in said
    store.unlink()
    with pytest.raises(CommandError, match="are of several stores: say which file"):
        run("restore", "--no-input", "--from", str(place))
    assert "another store" not in run("restore", "--no-input", "--from", str(place), str(kept.path))
    assert stores.count(store) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_is_the_first_to_make_belongs_to_the_service_s_user(store: Path, place: Path) -> None:
    os.chown(store, NOBODY, NOBODY)

    run("backup")

    owners = {(file.stat().st_uid, file.stat().st_gid) for file in (place, *place.iterdir())}
    assert owners == {(NOBODY, NOBODY)}
