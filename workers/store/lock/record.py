"""What the lock's file says: who holds the store lock, and which files were written last.

In memory that all processes share, because a system call while the lock is held costs more than it seems:
Python gives its interpreter lock away for it, and may get it back 5 ms later.
"""

import json
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from workers.store.store_file import Mark, mark_from

SIZE = 512
"""Bytes of a record."""

HOLDER, MARK = 0, SIZE
"""Where each begins. Behind them tickets.py keeps a number."""

FILE_SIZE = 4096

PURPOSE_SIZE = 300


def open_file(path: Path, store: Path) -> int:
    """Open the lock's file, made if need be, for whoever may write the store: a file descriptor.

    Nobody else: who can read it could hold the lock. While there is no store, for the owner of its directory.
    Raises OSError.
    """
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(FileNotFoundError, PermissionError):
        is_there = store.exists()
        found = (store if is_there else store.parent).stat()
        writable_by = found.st_mode & 0o022 if is_there else 0
        os.fchmod(descriptor, 0o600 | writable_by | writable_by << 1)
        if os.geteuid() == 0:  # `sudo manage.py`; SQLite gives away its own files too
            os.fchown(descriptor, found.st_uid, found.st_gid)
    return descriptor


def open_shared(descriptor: int) -> mmap.mmap:
    """Return the file's content as memory, shared with all who have it open."""
    if os.fstat(descriptor).st_size < FILE_SIZE:
        os.ftruncate(descriptor, FILE_SIZE)
    return mmap.mmap(descriptor, FILE_SIZE)


def write(memory: mmap.mmap, place: int, content: dict[str, Any]) -> None:
    memory[place : place + SIZE] = json.dumps(content).encode().ljust(SIZE)[:SIZE]


def write_holder(memory: mmap.mmap, purpose: str) -> None:
    """Say that this process holds the lock from now on, and what for, as far as there is room."""
    # ASCII, of which each character takes a byte.
    short = purpose.encode("ascii", "backslashreplace").decode()[:PURPOSE_SIZE]
    content = {"pid": os.getpid(), "purpose": short, "since": time.time()}
    while len(json.dumps(content)) > SIZE:  # quotes, and the like, take two
        content["purpose"] = short = short[: -PURPOSE_SIZE // 10]
    write(memory, HOLDER, content)


def read(memory: mmap.mmap | bytes, place: int) -> dict[str, Any]:
    """Return a record; nothing when there is none, or while it is being written."""
    with suppress(ValueError):
        content = json.loads(memory[place : place + SIZE])
        if isinstance(content, dict):
            return content
    return {}


def read_mark(memory: mmap.mmap) -> Mark:
    return mark_from(read(memory, MARK))
