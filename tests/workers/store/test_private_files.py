"""A store that belongs to another user, as after root has restored it, is named with what helps."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from workers.doctor import Level, sqlite_store
from workers.store import identity, private_files
from workers.store.lease import Lease
from workers.store.lock.store_lock import StoreLock

NOBODY = 65_534

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def restored() -> Iterator[Path]:
    """A store that root has put where another user will look for it; tmp_path is closed to others."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    store = directory / "store.sqlite3"
    store.write_bytes(b"")
    store.chmod(0o644)
    yield store
    shutil.rmtree(directory)


def as_another_user(ask: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a function says in a process of another user's."""
    monkeypatch.setitem(connection.settings_dict, "NAME", str(store))
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setuid(NOBODY)
            said = {
                "refusal": lambda: private_files.refusal(store),
                "ready": identity.problem,
                "doctor": lambda: "{0.level} {0.msg}".format(sqlite_store.file()),
                "hint": lambda: sqlite_store.hint_for(Exception()),
            }[ask]()
            os.write(writing, str(said).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


@only_root
@pytest.mark.parametrize("ask", ["refusal", "ready", "doctor", "hint"])
def test_whoever_looks_is_told_whose_the_store_is_before_the_first_write(
    restored: Path, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    said = as_another_user(ask, restored, monkeypatch)

    assert f"may not read and write {restored}. As root: chown {NOBODY} {restored}" in said
    assert said.startswith(Level.ERROR) is (ask == "doctor")


@only_root
def test_the_user_s_own_store_is_fine(restored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(restored, NOBODY, NOBODY)

    assert as_another_user("refusal", restored, monkeypatch) == "None"


@only_root
@pytest.mark.parametrize("is_there", [True, False], ids=["store", "no store yet"])
def test_the_files_that_root_is_the_first_to_need_are_the_service_s_all_the_same(
    restored: Path, is_there: bool
) -> None:
    os.chown(restored, NOBODY, NOBODY)
    os.chown(restored.parent, NOBODY, NOBODY)
    restored.chmod(0o660)
    if not is_there:
        restored.unlink()
    lease, lock = Lease(Path(f"{restored}.lease")), StoreLock(restored)

    assert lease.try_acquire(purpose="restore")
    lock.acquire("restore", seconds=0)

    for path in (lease.path, lock.path):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)
        assert stat.S_IMODE(found.st_mode) == (0o660 if is_there else 0o600)
    lock.release()
    lease.release()
