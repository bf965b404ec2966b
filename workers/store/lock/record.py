"""What the lock's file says: who holds the store lock, and which files were written last.

In memory that all processes share, because a system call while the lock is held costs more than it seems:
Python gives its interpreter lock away for it, and may get it back 5 ms later.
"""

import json
import mmap
import os
from contextlib import suppress
from typing import Any

from workers.store.store_file import Mark, mark_from

SIZE = 512
"""Bytes of a record."""

HOLDER, MARK = 0, SIZE
"""Where each begins. Behind them tickets.py keeps a number."""

FILE_SIZE = 4096


def open_shared(descriptor: int) -> mmap.mmap:
    """Return the file's content as memory, shared with all who have it open."""
    if os.fstat(descriptor).st_size < FILE_SIZE:
        os.ftruncate(descriptor, FILE_SIZE)
    return mmap.mmap(descriptor, FILE_SIZE)


def write(memory: mmap.mmap, place: int, content: dict[str, Any]) -> None:
    memory[place : place + SIZE] = json.dumps(content).encode().ljust(SIZE)[:SIZE]


def read(memory: mmap.mmap | bytes, place: int) -> dict[str, Any]:
    """Return a record; nothing when there is none, or while it is being written."""
    with suppress(ValueError):
        content = json.loads(memory[place : place + SIZE])
        if isinstance(content, dict):
            return content
    return {}


def read_mark(memory: mmap.mmap) -> Mark:
    return mark_from(read(memory, MARK))
