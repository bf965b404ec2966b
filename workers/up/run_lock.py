"""Lets one `manage.py up` at a time use the data, and only when no process of a killed one is left."""

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from workers.store import flock

_POLL_SECONDS = 0.1


class AlreadyRunning(Exception):
    """Another `up`, or a process that one has left, uses this data; the message says who."""


class RunLock:
    """Two locks beside the data, both released by the system when their holders are gone.

    `up.lock` is held by `up` itself. Every process inherits the file descriptor of `up-parts.lock`, so that
    one stays held until the last of them has ended, even when `up` was killed. Without it a new Redis would
    take the socket and the AOF of one that is still writing.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "up.lock"
        # The name stays, "parts" and all: processes that an older version has left may hold this file.
        self._processes_path = data_dir / "up-parts.lock"
        self._processes: dict[str, int] = {}
        self._processes_descriptor = -1

    @contextmanager
    def held(self, *, url: str, orphans_seconds: float, say: Callable[[str], object]) -> Iterator[int]:
        """Hold both locks; the value is the file descriptor for the processes to inherit.

        Processes of an `up` that was killed get `orphans_seconds` to end. Raises `AlreadyRunning`.
        """
        with _opened(self._path) as own, _opened(self._processes_path) as processes:
            if not flock.try_lock(own):
                raise AlreadyRunning(_who_runs(self._path))
            _write(
                own,
                {"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds"), "url": url},
            )
            self._await_orphans(processes, seconds=orphans_seconds, say=say)
            self._processes_descriptor = processes
            _write(processes, {})
            yield processes
            # Not after an exception: the next `up` then has to know which processes are left.
            _write(processes, {})
            _write(own, {})

    def note_process(self, name: str, pid: int) -> None:
        """Remember the process for the message that a later `up` may have to give."""
        self._processes[name] = pid
        _write(self._processes_descriptor, self._processes)

    def _await_orphans(self, descriptor: int, *, seconds: float, say: Callable[[str], object]) -> None:
        if flock.try_lock(descriptor):
            return
        say(f"Waiting for what an `up` that was killed has left to end: {_describe(self._orphans())}.")
        deadline = time.monotonic() + seconds
        while not flock.try_lock(descriptor):
            if time.monotonic() >= deadline:
                orphans = self._orphans()
                groups = " ".join(f"-{pid}" for pid in orphans.values())
                raise AlreadyRunning(
                    f"Still running after {seconds:g} s, from an `up` that was killed: {_describe(orphans)}. "
                    + (
                        f"Stop them with: kill -- {groups}"
                        if orphans
                        else f"See: lsof {shlex.quote(os.fspath(self._processes_path))}"
                    )
                )
            time.sleep(_POLL_SECONDS)

    def _orphans(self) -> dict[str, int]:
        return {name: pid for name, pid in _read(self._processes_path).items() if _group_exists(pid)}


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: dict[str, object] | dict[str, int]) -> None:
    # In place: a file put there by a rename would be another file, and not the locked one.
    data = json.dumps(content).encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _read(path: Path) -> dict[str, int]:
    # It may be read while it is being written; nothing depends on it but a message.
    with suppress(OSError, ValueError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            return content
    return {}


def _who_runs(path: Path) -> str:
    holder = _read(path)
    if not holder:
        return f"Another `up` is running on this data ({path.parent})."
    return f"Already running on this data: pid {holder['pid']}, since {holder['since']}, at {holder['url']}"


def _describe(processes: dict[str, int]) -> str:
    return (
        ", ".join(f"{name} (pid {pid})" for name, pid in processes.items())
        or "processes whose ids are not known"
    )


def _group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
