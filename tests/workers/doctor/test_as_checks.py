"""What is cheap to look at, as Django's system checks."""

from pathlib import Path

import pytest

from workers.checks import check_file_system, check_sqlite_version
from workers.doctor import disk, sqlite_store


def test_a_store_on_a_network_file_system_is_a_failed_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/export / nfs4 rw 0 0\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)

    [message] = check_file_system()

    assert message.id == "workers.E007"
    assert message.hint == disk.LOCAL_DISK


def test_a_store_on_a_local_disk_passes_the_check() -> None:
    assert check_file_system() == []


@pytest.mark.parametrize(("version", "ids"), [((3, 40, 1), ["workers.W002"]), ((3, 51, 3), [])])
def test_an_sqlite_with_the_wal_reset_bug_is_a_warning_of_a_check(
    monkeypatch: pytest.MonkeyPatch, version: sqlite_store.Version, ids: list[str]
) -> None:
    monkeypatch.setattr(sqlite_store, "library_version", lambda: version)

    found = check_sqlite_version()

    assert [message.id for message in found] == ids
    assert all(message.hint for message in found)
