"""Whether anybody at all has a store open, asked of SQLite's own locks, and keeping everybody out.

Each connection to a store with a write-ahead log holds a shared lock on it for as long as it is open, and
every other one for each transaction. See https://www.sqlite.org/lockingv3.html and os_unix.c of SQLite.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.store.lock import tickets

_SHARED_FIRST = 0x40000000 + 2
_SHARED_SIZE = 510
"""Where SQLite's shared locks are, in the file."""


@contextmanager
def locked(store: Path) -> Iterator[bool]:
    """Say whether nobody has the store open; who opens it in the block finds it busy.

    This process must not have it open either: closing a descriptor drops SQLite's locks of the process, see
    https://www.sqlite.org/howtocorrupt.html, section 2.2. Raises OSError.
    """
    try:
        descriptor = os.open(store, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        yield tickets.lock_range(descriptor, _SHARED_FIRST, _SHARED_SIZE)
    finally:
        os.close(descriptor)
