"""The lease: whoever holds it is the only process that may write the store.

An exclusive `flock` on a file beside the store. The operating system gives it back when its holder dies,
however it dies, so a stale writer cannot exist and no time-out decides who writes.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from django.db import connections


class Lease:
    """The lease on the default store, held by at most one process at a time."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or lease_path()
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    def try_acquire(self, *, purpose: str) -> bool:
        """Return whether this process holds the lease now. Never waits."""
        if self._file is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        if not _is_file(descriptor, self.path):
            os.close(descriptor)  # the file was replaced meanwhile: this lock is on nothing
            return False
        holder = {"pid": os.getpid(), "purpose": purpose, "since": time.time()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        self._file = descriptor
        return True

    def is_intact(self) -> bool:
        """Return whether the file that is locked still is the one that others would lock."""
        return self._file is not None and _is_file(self._file, self.path)

    def release(self) -> None:
        """Give the lease back. Does nothing when it is not held."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def holder(self) -> dict[str, Any] | None:
        """Return who took the lease: `pid`, `purpose`, `since` (seconds since 1970). For people to read."""
        try:
            holder = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return holder if isinstance(holder, dict) else None


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def lease_path() -> Path:
    """Return the path of the lease of the default store."""
    return Path(f"{connections['default'].settings_dict['NAME']}.lease")
