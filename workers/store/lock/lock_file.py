"""The file of a store's lock, and what its holder has noted in it."""

import mmap
import os
from pathlib import Path

from workers.store import flock
from workers.store.holder import Holder
from workers.store.lock import record

SUFFIX = ".lock"


class LockFile:
    """Opened when it is needed first. Whoever uses it takes care of threads."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.path = Path(f"{store}{SUFFIX}")
        self.descriptor = -1
        """-1 while it is not open."""
        self._memory: mmap.mmap | None = None

    def open(self) -> int:
        if self.descriptor == -1:
            self.descriptor = record.open_file(self.path, self.store)
            self._memory = record.open_shared(self.descriptor)
        return self.descriptor

    def shared(self) -> mmap.mmap:
        """Return its content as memory, shared with all who have it open."""
        self.open()
        assert self._memory is not None  # noqa: S101 - narrows the type
        return self._memory

    def leave(self) -> int:
        """Have it opened anew next time; return the descriptor so far, which is still open."""
        former, self.descriptor = self.descriptor, -1
        return former

    def noted_holder(self) -> Holder:
        """Return who the record names; whoever waits knows that the lock is held, or about to be."""
        return Holder.of(record.read(self.shared(), record.HOLDER))

    def holder(self) -> Holder | None:
        """Return who holds the lock; None when nobody does. Raises OSError when that may not be looked at."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            # Who died, or gave it back, is still named there.
            if not flock.is_locked_by_another(descriptor):
                return None
            return Holder.of(record.read(os.pread(descriptor, record.SIZE, record.HOLDER), 0))
        finally:
            os.close(descriptor)
