"""The lease, leadership: whoever holds it is the writer, the one worker that commits what is in the stream.

Who writes *now* is another matter, see workers/store/lock/store_lock.py: the writer for a batch.

An exclusive `flock` on a file beside the store. The operating system gives it back when its holder dies,
however it dies, so a stale writer cannot exist and no time-out decides who writes.

The lease belongs to the store's file, not to a name of it: it lies beside the real path, where every link
leads, and a file that can be reached by two real paths (hard links, a mount of the file itself) is refused.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from django.db import DEFAULT_DB_ALIAS, connections

from workers.store import flock, server, store_file
from workers.store.holder import Holder
from workers.store.lock import record

SUFFIX = ".lease"


class StoreLease(Protocol):
    """The lease of a store, on whatever database."""

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""

    @property
    def epoch(self) -> int:
        """Grows each time that the lease is taken; 0 for one that cannot be lost while its holder lives."""

    def try_acquire(self, *, purpose: str, after: int = 0) -> bool:
        """Return whether this process holds the lease now, in an epoch after that one. Never waits."""

    def begin_to_write(self) -> None:
        """Make the connections of this process those of the writer. To be called once the lease is held."""

    def is_intact(self) -> bool:
        """Return whether it is still held, as far as is known."""

    def release(self) -> None:
        """Give the lease back. Does nothing when it is not held."""

    def holder(self) -> Holder | None:
        """Return who took the lease last; None when nobody has said so."""


def of_store() -> StoreLease:
    """Return the lease of the default store, which is not yet held."""
    if connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
        return Lease()
    lease: StoreLease = server.module("lease").AdvisoryLease()
    return lease


def held_by() -> Holder | None:
    """Return who holds the lease of the default store, or None when nobody does.

    Raises OSError when the file may not be looked at, and django.db.Error when the server does not respond.
    """
    lease = of_store()
    if isinstance(lease, Lease):
        return lease.holder() or Holder.unknown() if is_held(lease.path) else None
    return lease.holder() or Holder.unknown() if server.module("lease").is_held() else None


class Lease:
    """The lease on the default store, held by at most one process at a time."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or lease_path()
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    epoch = 0

    def try_acquire(self, *, purpose: str, after: int = 0) -> bool:
        """Return whether this process holds the lease now. Never waits. Epochs are for leases on servers."""
        if self._file is not None:
            return True
        descriptor = record.open_file(self.path, Path(os.fspath(self.path).removesuffix(SUFFIX)))
        # Of a file that was replaced meanwhile it would be a lock on nothing.
        if not (flock.try_lock(descriptor) and flock.is_file(descriptor, self.path)):
            os.close(descriptor)
            return False
        self._file = descriptor
        self._write({"pid": os.getpid(), "purpose": purpose, "since": time.time()})
        return True

    def begin_to_write(self) -> None:
        """Close what was opened before: it could only read."""
        connections.close_all()

    def __str__(self) -> str:
        return os.fspath(self.path)

    def is_intact(self) -> bool:
        """Return whether the file that is locked still is the one that others would lock."""
        return self._file is not None and flock.is_file(self._file, self.path)

    def release(self) -> None:
        """Give the lease back. Does nothing when it is not held."""
        if self._file is not None:
            self._write({})
            os.close(self._file)
            self._file = None

    def holder(self) -> Holder | None:
        """Return who took the lease last; None when nobody has said so."""
        content = _content(self.path)
        return Holder.of(content) if content.keys() & {"pid", "purpose"} else None

    def _write(self, content: dict[str, Any]) -> None:
        if self._file is None:
            return
        data = json.dumps(content).encode()
        # Padded to the former length: nobody reads a mixture of two, as after a truncation.
        os.pwrite(self._file, data.ljust(os.fstat(self._file).st_size), 0)


def _content(path: Path) -> dict[str, Any]:
    """Return what the lease's file says; whoever takes the lease may be writing it at this moment."""
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text())
        if isinstance(content, dict):
            return content
    return {}


def lease_path() -> Path:
    """Return the path of the lease of the default store."""
    return Path(f"{store_file.path()}{SUFFIX}")


def is_held(path: Path) -> bool:
    """Return whether some process holds the lease. Raises OSError when the file may not be read.

    Unlike an attempt to take the lease this neither makes the file, which might then belong to the wrong
    user, nor wipes out who held it last.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return flock.is_locked_by_another(descriptor)
    finally:
        os.close(descriptor)
