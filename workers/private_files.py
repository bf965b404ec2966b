"""The files of a store, and who may read them."""

import os
import stat
from contextlib import suppress
from pathlib import Path

SUFFIXES = ("", "-wal", "-shm", "-journal")
"""SQLite gives the other files the mode of the first."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def files_of(store: Path) -> list[Path]:
    """Return the store's files that exist, where they really are: SQLite follows links first."""
    real = Path(os.path.realpath(store))
    return [file for file in (Path(f"{real}{suffix}") for suffix in SUFFIXES) if file.exists()]


def make_private(path: Path) -> None:
    """Take away what the group and others may do with a file or directory; links are followed.

    Does nothing when it is gone, or belongs to another user, whose matter it then is.
    """
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)


def make_private_if_new(store: Path) -> None:
    """Take away what others may do with a store that has just been made, before anything is in it."""
    with suppress(FileNotFoundError):
        if store.stat().st_size == 0:
            make_private(store)
