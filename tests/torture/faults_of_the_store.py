"""Others at the store: a foreign lock, a full disk, commands that write, an operator's pause."""

import os
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from random import Random

from tests.e2e.service import BASE_DIR, PYTHON
from tests.torture.harness import Skipped, TorturedService

COMMAND_SECONDS = 60.0
MIB = 1024 * 1024
EDIT = "User.objects.filter(username='demo').update(first_name='{name}')"
SCRIPT = "from django.contrib.auth.models import User; "
HANG = f"""
from django.db import transaction
from django.contrib.auth.models import User
with transaction.atomic():
    {EDIT.format(name="hanging")}
    print('writing', flush=True)
    import time
    time.sleep(60)
"""


def lock_store(service: TorturedService, chance: Random) -> str:
    """Hold SQLite's write lock, as a tool that knows nothing of the store lock may."""
    seconds = chance.uniform(0.5, 2)
    with closing(
        sqlite3.connect(service.directory / "store.sqlite3", timeout=5, isolation_level=None)
    ) as store:
        store.execute("PRAGMA wal_autocheckpoint = 0")
        try:
            store.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            raise Skipped(str(exc)) from exc
        time.sleep(seconds)
        store.execute("ROLLBACK")
    return f"{seconds:.1f} s"


def fill_disk(service: TorturedService, chance: Random) -> str:
    """Leave no space on the store's disk for a while."""
    ballast, seconds = service.directory / "ballast", chance.uniform(0.5, 2)
    try:
        with ballast.open("wb") as file:
            # Others write meanwhile: the last bytes are taken in ever smaller steps.
            for step in (service.free_bytes() - MIB, 64 * 1024, 4096):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
        time.sleep(seconds)
    finally:
        ballast.unlink(missing_ok=True)
    return f"{seconds:.1f} s"


def migrate(service: TorturedService, chance: Random) -> str:
    return _manage(service, "migrate", "--verbosity", "0")


def run_a_command_that_writes(service: TorturedService, chance: Random) -> str:
    return _manage(service, "shell", "-c", SCRIPT + EDIT.format(name=chance.randrange(10**6)))


def kill_a_command_that_writes(service: TorturedService, chance: Random) -> str:
    """Kill a command in the middle of its transaction."""
    command = [PYTHON, "manage.py", "shell", "-c", HANG]
    with subprocess.Popen(
        command,
        env=service.environment,
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.strip() == "writing" or "Error" in line), "")
        process.kill()
    if line.strip() != "writing":
        raise Skipped(f"it did not write: {line.strip()}")
    return ""


def pause_writer(service: TorturedService, chance: Random) -> str:
    seconds = chance.uniform(0.2, 2)
    note = _manage(service, "pause")
    try:
        time.sleep(seconds)
    finally:
        note = _manage(service, "resume") or note
    return note or f"{seconds:.1f} s"


def _manage(service: TorturedService, *arguments: str) -> str:
    try:
        done = service.manage(*arguments, check=False, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise Skipped(f"{arguments[0]} did not end within {COMMAND_SECONDS:g} s, killed") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Skipped(f"{arguments[0]} ended with {done.returncode}: {last}")
    return ""
