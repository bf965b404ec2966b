"""Processes beside the test's own: a real writer, the lease's holder, a reader that stays."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests import forks
from tests.waiting import until
from workers.store.holder import Holder
from workers.store.lease import Lease, is_held

BASE_DIR = Path(__file__).resolve().parent.parent.parent

WRITER = "import django; django.setup(); from tests.workers import a_writer; a_writer.write()"

HOLDER = """
import sys
from pathlib import Path
from workers.store.lease import Lease
assert Lease(Path(sys.argv[1] + ".lease")).try_acquire(purpose=sys.argv[2])
sys.stdin.read()
"""

LOCK_HOLDER = """
import sys
from pathlib import Path
from workers.store.lock.store_lock import StoreLock
StoreLock(Path(sys.argv[1])).acquire(sys.argv[2], seconds=10)
print("held", flush=True)
sys.stdin.read()
"""

READER = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN")
store.execute("SELECT count(*) FROM sqlite_master").fetchall()
print("reads", flush=True)
sys.stdin.read()
"""


def store_path() -> Path:
    return Path(connection.settings_dict["NAME"])


@contextmanager
def running(program: str, *arguments: str, says: str = "") -> Iterator[forks.Talking]:
    """Run a program until the block ends; with `says`, begin once it has said it."""
    command = [sys.executable, "-c", program, str(store_path()), *arguments]
    with forks.talking(command, env=os.environ, cwd=BASE_DIR) as process:
        if says:
            assert process.stdout.readline().strip() == says
        yield process


@contextmanager
def lock_held(purpose: str) -> Iterator[forks.Talking]:
    """Let another process hold the store lock while the block runs."""
    with running(LOCK_HOLDER, purpose, says="held") as process:
        yield process


@contextmanager
def lease_held(purpose: str) -> Iterator[forks.Talking]:
    """Let another process hold the lease while the block runs."""
    with running(HOLDER, purpose) as process:
        lease = Lease(Path(f"{store_path()}.lease"))
        until(
            lambda: is_held(lease.path) and (lease.holder() or Holder.unknown()).pid == process.pid,
            what="the lease to be held",
        )
        yield process
