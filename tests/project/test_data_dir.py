"""The directory of the data is its owner's alone."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from project import data_dir
from tests.e2e.service import BASE_DIR


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory as an earlier version, or another umask, left it."""
    directory = tmp_path / "old"
    directory.mkdir()
    for name in (
        "store.sqlite3",
        "store.sqlite3-wal",
        "store.sqlite3-shm",
        "secret-key",
        "demo-token",
        "up.lock",
    ):
        directory.joinpath(name).touch()
        directory.joinpath(name).chmod(0o664)
    directory.joinpath("redis").mkdir()
    directory.chmod(0o755)
    return directory


def test_a_new_directory_is_private(tmp_path: Path) -> None:
    data_dir.prepare(tmp_path / "new" / "data")

    assert modes(tmp_path / "new" / "data") == [0o700]


def test_what_others_may_do_is_taken_away_at_each_start(old: Path) -> None:
    data_dir.prepare(old)

    assert modes(old, old / "redis") == [0o700, 0o700]
    assert {mode for file in old.iterdir() if file.is_file() for mode in modes(file)} == {0o600}


def test_a_store_behind_a_link_is_closed_where_it_is(old: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("store.sqlite3", "store.sqlite3-wal"):
        old.joinpath(name).rename(elsewhere / name)
    old.joinpath("store.sqlite3").symlink_to(elsewhere / "store.sqlite3")

    data_dir.prepare(old)

    assert modes(elsewhere / "store.sqlite3", elsewhere / "store.sqlite3-wal") == [0o600, 0o600]


def test_a_directory_that_is_not_the_service_s_alone_stays_open(old: Path) -> None:
    old.joinpath("somebody-elses").mkdir()
    old.joinpath("notes.txt").touch()
    before = modes(old, old / "somebody-elses", old / "notes.txt")

    data_dir.prepare(old)

    assert modes(old, old / "somebody-elses", old / "notes.txt") == before
    assert modes(old / "store.sqlite3") == [0o600]


@pytest.mark.sqlite  # of the file
def test_a_store_that_a_command_makes_is_private_from_the_first_byte(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=BASE_DIR,
        env=os.environ | {"DATA_DIR": str(tmp_path / "data")},
        check=True,
        umask=0,
    )

    assert modes(tmp_path / "data", tmp_path / "data" / "store.sqlite3") == [0o700, 0o600]


def test_a_disk_without_room_is_said_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=os.environ | {"DATA_DIR": str(tmp_path / "data"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )

    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert "secret-key" in line and "Make room" in line
    assert list((tmp_path / "data").iterdir()) == []


def test_the_files_of_redis_are_closed_too(old: Path) -> None:
    aof = old / "redis" / "appendonlydir" / "base.rdb"
    aof.parent.mkdir(mode=0o755)
    aof.touch(mode=0o644)

    data_dir.prepare(old)

    assert modes(aof.parent, aof) == [0o700, 0o600]
