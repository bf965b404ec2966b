"""`doctor` names what other users of the machine may read."""

from pathlib import Path

import pytest

from workers.doctor import Level, privacy


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "data dir"
    directory.mkdir(mode=0o700)
    for name in ("store.sqlite3", "store.sqlite3-wal", "secret-key", "demo-token"):
        directory.joinpath(name).touch(mode=0o600)
    directory.joinpath("redis", "appendonlydir").mkdir(parents=True)
    for folder in ("redis", "redis/appendonlydir"):
        directory.joinpath(folder).chmod(0o700)
    directory.joinpath("redis", "appendonlydir", "base.rdb").touch(mode=0o600)
    return directory / "store.sqlite3"


def test_private_files_are_fine(store: Path) -> None:
    assert privacy.examine(store).level is Level.OK


@pytest.mark.parametrize(
    "name", ["store.sqlite3", "store.sqlite3-wal", "secret-key", "redis/appendonlydir/base.rdb"]
)
def test_a_file_that_others_may_read_in_an_open_directory_is_an_error_with_its_remedy(
    store: Path, name: str
) -> None:
    store.parent.chmod(0o755)
    store.parent.joinpath(name).chmod(0o640)

    finding = privacy.examine(store)

    assert finding.level is Level.ERROR
    assert name in finding.msg
    assert f"chmod go= '{store.parent / name}'" in finding.hint


def test_an_open_directory_of_closed_files_is_a_warning(store: Path) -> None:
    store.parent.chmod(0o755)

    finding = privacy.examine(store)

    assert finding.level is Level.WARNING
    assert str(store.parent) in finding.msg


def test_a_file_of_another_user_is_named_with_the_command_that_takes_it_back(store: Path) -> None:
    place, key = store.parent.stat(), store.parent / "secret-key"

    finding = privacy.judge(store.parent, place, [(key, key.stat())], owner=place.st_uid + 1)

    assert finding.level is Level.ERROR
    assert f"Another user owns {key}" in finding.msg
    assert f"chown {place.st_uid + 1}" in finding.hint


def test_a_directory_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    assert privacy.examine(tmp_path / "none" / "store.sqlite3").level is Level.ERROR
