"""A pytest plugin, loaded before the settings: gives each test process a data directory of its own."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
"""Bytes. A run takes about one at the most."""


def _use_memory() -> None:
    """Have temporary files in memory, if there is room: the suite waits for the disk some 100,000 times.

    Set TMPDIR to have them elsewhere.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    found = os.statvfs(MEMORY)
    if found.f_bavail * found.f_frsize > ROOM and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _hear_signals() -> None:
    """Have what the tests start obey signals, also where this runs in the background or under nohup.

    What is ignored is ignored by all that is started; what has a handler here has none there.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def _isolate() -> None:
    _hear_signals()
    _use_memory()
    directory = Path(tempfile.mkdtemp(prefix="one-writer-tests-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    for name in list(os.environ):
        if name.startswith("WRITE_") or name in {"REDIS_URL", "DEMO", "PORT", "HOST", "SECRET_KEY"}:
            del os.environ[name]
    # The tests start some hundred interpreters; without bytecode each would compile everything again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["DATA_DIR"] = str(directory)
    os.environ.pop("DATABASE_URL", None)
    if os.environ.get("TEST_STORE") == "postgresql":
        os.environ["DATABASE_URL"] = _cluster()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"


def _cluster() -> str:
    """Start a PostgreSQL server of this process's own, and return its URL."""
    from tests.clusters import running

    context = running()
    atexit.register(context.__exit__, None, None, None)
    return context.__enter__().url


_isolate()
