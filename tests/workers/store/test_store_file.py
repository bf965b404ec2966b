import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from tests.workers.writer_process import lease_held
from workers import WrongStore
from workers.store import store_file, wal
from workers.store.lease import Lease, lease_path
from workers.store.lock.store_lock import StoreLock, lock_of
from workers.store.store_file import Mark, is_mount_point


def make_store(path: Path) -> Path:
    """Make a store in WAL mode whose log is left beside it, as after a kill."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=wal")
        made.execute("CREATE TABLE t (x)")
        made.commit()
        files = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
        for file in files:
            shutil.copy(file, f"{file}.kept")
    for file in files:
        os.replace(f"{file}.kept", file)
    assert Path(f"{path}-wal").stat().st_size > 0
    return path


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the test's own that this process takes for the default one."""
    path = make_store(tmp_path / "data" / "store.sqlite3")
    connections.close_all()
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    yield path
    connections.close_all()


def write() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")


def call(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))


@pytest.mark.parametrize("kind", ["symbolic link", "linked folder", "chain of links", "dots", "relative"])
def test_another_name_of_the_store_has_the_same_lease_and_the_same_log(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    other = tmp_path / "other.sqlite3"
    match kind:
        case "symbolic link":
            other.symlink_to(named)
        case "linked folder":
            (tmp_path / "folder").symlink_to(named.parent)
            other = tmp_path / "folder" / named.name
        case "chain of links":
            (tmp_path / "first").symlink_to(named)
            other.symlink_to("first")
        case "dots":
            other = named.parent / ".." / named.parent.name / named.name
        case "relative":
            monkeypatch.chdir(tmp_path)
            other = named.relative_to(tmp_path)
    size = wal.size_bytes(store_file.path())

    with lease_held("writer"):
        call(other, monkeypatch)
        assert not Lease().try_acquire(purpose="second writer")
        assert lease_path() == Path(f"{named}.lease")
        assert wal.size_bytes(store_file.path()) == size > 0
        assert lock_of(store_file.path()).path == Path(f"{named}.lock")


def test_a_store_with_a_second_hard_link_is_not_written(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> None:
    other = tmp_path / "other.sqlite3"
    other.hardlink_to(named)

    for path in (named, other):
        call(path, monkeypatch)
        with django_db_blocker.unblock(), pytest.raises(WrongStore, match="2 names"):
            write()

    other.unlink()
    call(named, monkeypatch)
    with django_db_blocker.unblock():
        write()


def test_a_file_that_is_itself_a_mount_point_is_recognised() -> None:
    mounts = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        r"36 22 8:1 /db /srv/my\040data/store.sqlite3 rw,relatime shared:1 - ext4 /dev/sda1 rw"
    )

    assert is_mount_point(Path("/srv/my data/store.sqlite3"), mounts)
    assert not is_mount_point(Path("/srv/store.sqlite3"), mounts)


def test_a_file_that_was_put_beside_the_log_of_another_is_not_opened_by_anybody(
    named: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    StoreLock(named).leave_mark(store_file.mark_of(named))  # as who wrote it last did
    backup = named.with_name("backup")
    with closing(sqlite3.connect(backup)) as made:
        made.execute("CREATE TABLE restored (x)")
    before = backup.read_bytes()

    os.replace(backup, named)

    for _ in range(2):  # the second time, too, Django must not find it open
        with (
            django_db_blocker.unblock(),
            pytest.raises(WrongStore, match=r"is not the file that .*-wal was written for"),
            connection.cursor(),
        ):
            pass
    assert named.read_bytes() == before

    Path(f"{named}-wal").unlink()  # as the message says
    Path(f"{named}-shm").unlink()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM restored")


def test_a_store_that_another_program_changed_under_its_log_is_not_opened(
    named: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    lock = StoreLock(named)
    files = store_file.mark_of(named)
    lock.leave_mark(Mark(store=files.store, log=files.log, is_changed=True))

    with (
        django_db_blocker.unblock(),
        pytest.raises(WrongStore, match="was changed by another program"),
        connection.cursor(),
    ):
        pass

    lock.path.unlink()  # as the message says, once the store is known to be sound
    with django_db_blocker.unblock():
        write()


def test_a_copy_of_a_whole_folder_is_a_store_of_its_own(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease()
    assert lease.try_acquire(purpose="writer")
    shutil.copytree(named.parent, tmp_path / "copy")
    try:
        call(tmp_path / "copy" / named.name, monkeypatch)
        copy = Lease()
        assert copy.try_acquire(purpose="writer")
        copy.release()
    finally:
        lease.release()


def test_the_lease_says_who_holds_it(named: Path) -> None:
    lease = Lease()
    assert lease.holder() is None
    assert lease.try_acquire(purpose="writer")
    holder = lease.holder()
    assert holder is not None
    assert (holder.pid, holder.purpose) == (os.getpid(), "writer")

    lease.release()

    assert lease.holder() is None
