"""A backup comes back whole or not at all, never beside a process that has the store open."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forks
from tests.e2e.service import BASE_DIR
from tests.workers.backups import stores
from workers.backups import making, restoring
from workers.backups.archive import Backup, BackupError
from workers.backups.restoring import StoreInUse
from workers.exceptions import WrongStore
from workers.store import store_file
from workers.store.lock.store_lock import lock_of


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stores.make(tmp_path / "data" / "store.sqlite3")


@pytest.fixture(autouse=True)
def _data(tmp_path: Path) -> None:
    tmp_path.joinpath("data").mkdir()


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def backup(request: pytest.FixtureRequest, store: Path, tmp_path: Path) -> Backup:
    return making.make(store, tmp_path / "backups", compresses=request.param)


@contextmanager
def _another_process(program: str, store: Path) -> Iterator[None]:
    program += "\nprint('there', flush=True); sys.stdin.read()"
    command = [
        sys.executable,
        "-c",
        f"import sqlite3, sys\nraw = sqlite3.connect(sys.argv[1])\n{program}",
        str(store),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield
        process.kill()


def test_the_store_is_what_it_was_and_the_former_one_is_kept_whole(store: Path, backup: Backup) -> None:
    program = "raw.execute('INSERT INTO item (name) VALUES (1)'); raw.commit()"
    with _another_process(program, store):
        pass  # killed with the store open: its last write is in the log alone
    assert Path(f"{store}-wal").stat().st_size > 0

    former = restoring.restore(backup, store)

    assert stores.count(store) == 1_000
    assert former is not None
    assert stores.count(former) == 1_001
    assert store.stat().st_nlink == former.stat().st_nlink == 1
    store_file.refuse_unsafe(store, lock_of(store).mark())


def test_a_store_that_was_lost_comes_back(store: Path, backup: Backup) -> None:
    store.unlink()
    Path(f"{store}-wal").write_text("of the lost one")

    assert restoring.restore(backup, store) is None

    assert stores.count(store) == 1_000
    assert not Path(f"{store}-wal").exists()


def test_a_store_that_is_damaged_is_replaced(store: Path, backup: Backup) -> None:
    store.write_text("nothing that SQLite could read")

    former = restoring.restore(backup, store)

    assert stores.count(store) == 1_000
    assert former is not None and former.read_text().startswith("nothing")


@pytest.mark.parametrize(
    "program",
    ["raw.execute('SELECT count(*) FROM item').fetchall()", "raw.execute('BEGIN IMMEDIATE')"],
    ids=["idle", "writing"],
)
def test_nothing_is_replaced_beneath_a_process_that_has_it_open(
    store: Path, backup: Backup, program: str
) -> None:
    file = store.stat().st_ino
    with _another_process(program, store), pytest.raises(StoreInUse, match="Another process has"):
        restoring.restore(backup, store)

    assert store.stat().st_ino == file
    assert restoring.restore(backup, store) is not None


def test_nothing_is_restored_beside_a_writer_or_who_holds_the_store_lock(store: Path, backup: Backup) -> None:
    program = (
        "import fcntl, os\nlock = os.open(sys.argv[1] + {!r}, os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)"
    )
    for suffix in (".lease", ".lock"):
        with (
            _another_process(program.format(suffix), store),
            pytest.raises(StoreInUse, match="Stop the service"),
        ):
            restoring.restore(backup, store)
    assert stores.count(store) == 1_000


def test_a_backup_that_changed_is_refused_and_the_store_stays(store: Path, backup: Backup) -> None:
    content = bytearray(backup.path.read_bytes())
    content[len(content) // 2] ^= 1
    backup.path.write_bytes(content)
    file = store.stat().st_ino

    with pytest.raises(BackupError, match="SHA-256"):
        restoring.restore(backup, store)

    assert store.stat().st_ino == file
    assert [path.name for path in store.parent.iterdir() if "restoring" in path.name] == []


def test_an_interruption_at_any_step_leaves_a_store_that_is_refused_or_whole(
    store: Path, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that changes the directory is the last one once; then the restore is tried again."""
    with _another_process("raw.execute('INSERT INTO item (name) VALUES (1)'); raw.commit()", store):
        pass
    steps = []
    for number in range(1, 20):
        directory = store.parent.parent / f"try-{number}"
        shutil.copytree(store.parent, directory)
        copy = directory / store.name
        lock_of(copy).leave_mark(store_file.mark_of(copy))
        if not _restore_up_to(number, backup, copy):
            break
        steps.append(number)

        assert copy.exists()
        try:
            store_file.refuse_unsafe(copy, lock_of(copy).mark())
        except WrongStore:
            pass
        else:
            assert stores.count(copy) in {1_000, 1_001}
        restoring.restore(backup, copy)
        assert stores.count(copy) == 1_000
    assert len(steps) >= 4


def _restore_up_to(number: int, backup: Backup, store: Path) -> bool:
    """Restore in a process that dies before its nth change of the directory; return whether it did."""
    program = """
import os, sys, django
from pathlib import Path
django.setup()
from workers.backups import archive, restoring
left = int(sys.argv[1])
def dying(name):
    call = getattr(os, name)
    def wrapped(*arguments, **named):
        global left
        left -= 1
        if not left:
            os._exit(9)
        return call(*arguments, **named)
    setattr(os, name, wrapped)
for name in ("link", "unlink", "replace"):
    dying(name)
restoring.restore(archive.read(Path(sys.argv[2])), Path(sys.argv[3]))
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", program, str(number), str(backup.path), str(store)]
    done = forks.run(command, env=environment, cwd=BASE_DIR)
    assert done.returncode in (0, 9), done.stderr
    return done.returncode == 9
