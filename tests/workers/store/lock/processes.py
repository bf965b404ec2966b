"""Processes that take a store lock when they are told to, and say what they do."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import forks
from tests.waiting import until

BASE_DIR = Path(__file__).resolve().parents[4]

CALLER = """
import os, sys
from pathlib import Path
from workers.exceptions import StoreBusy
from workers.store.lock.store_lock import StoreLock
lock, log = StoreLock(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:
    match line.split():
        case ["acquire", seconds]:
            try:
                lock.acquire(sys.argv[3], seconds=float(seconds))
            except StoreBusy as exc:
                print("busy", exc, flush=True)
                continue
            with log.open("a") as file:
                file.write(sys.argv[3] + "\\n")
            print("held", flush=True)
        case ["release"]:
            lock.release()
            print("released", flush=True)
"""


class Caller:
    """A process with a name."""

    def __init__(self, process: forks.Talking, name: str) -> None:
        self.process = process
        self.name = name

    def tell(self, command: str) -> None:
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return the next thing that it says."""
        return self.process.stdout.readline().strip()

    def acquire(self) -> None:
        self.tell("acquire 20")
        assert self.hear() == "held"

    def queue(self) -> None:
        """Ask for a lock that is held by another; return once it has a ticket."""
        before = tickets_of(self.process.pid)
        self.tell("acquire 60")
        until(lambda: tickets_of(self.process.pid) > before, seconds=30, what=f"{self.name} to queue")

    def release(self) -> None:
        self.tell("release")
        assert self.hear() == "released"


def tickets_of(pid: int) -> int:
    """Return how many locks of byte ranges a process's lock file has; see proc(5), /proc/pid/fdinfo."""
    count = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            count += info.read_text().count("OFDLCK")
        except FileNotFoundError:
            continue
    return count


@contextmanager
def caller(store: Path, name: str) -> Iterator[Caller]:
    command = [sys.executable, "-c", CALLER, str(store), f"{store}.log", name]
    with forks.talking(command, env=os.environ, cwd=BASE_DIR) as process:
        started = Caller(process, name)
        assert started.hear() == "ready"
        yield started
