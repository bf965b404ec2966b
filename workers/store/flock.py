"""Locks on files that their holders keep open: https://man7.org/linux/man-pages/man2/flock.2.html."""

import fcntl
import os
from pathlib import Path


def try_lock(descriptor: int) -> bool:
    """Return whether this descriptor's file is locked by it now. Never waits."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked_by_another(descriptor: int) -> bool:
    """Return whether another descriptor locks the file.

    Asks for a shared lock, which goes when the descriptor is closed: that needs no right to write the file.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def is_file(descriptor: int, path: Path) -> bool:
    """Return whether what is open there still is the file of this name, which others would lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
