"""The store's file, whatever it is called: which one it is, and whether it may be written.

A file is its device and inode, not its name. SQLite keeps its log beside the name by which a file was opened,
so a second name means a second log: see https://www.sqlite.org/howtocorrupt.html, sections 2.4 and 2.5.
"""

import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.exceptions import WrongStore

MOUNTS = Path("/proc/self/mountinfo")

FileId = tuple[int, int]
"""Device and inode."""

REPLACED = (
    "Stop the service. If the new file is meant to be the store, remove the -wal and -shm files beside it, "
    "which belong to the former one, and start the service again; else put the former file back first."
)


CHANGED = (
    "Stop the service. If a backup was copied over the store, copy it again now that nobody has the store "
    "open, and remove the -wal and -shm files beside it. If not, `manage.py doctor --full` tells whether the "
    "store is sound. Then remove the .lock file beside it, which keeps this note, and start the service."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which files the last process that wrote the store had open; kept in the store lock's file."""

    store: FileId | None = None
    log: FileId | None = None
    """Its write-ahead log."""
    content: tuple[int, int] | None = None
    """Size, and time of the last change in nanoseconds, of the store's file itself."""
    is_changed: bool = False
    """Whether another program was seen to write into the file itself."""

    def is_of_same_files(self, other: "Mark") -> bool:
        return (self.store, self.log) == (other.store, other.log)


def path() -> Path:
    """Return the real path of the default store: links are followed, as SQLite follows them."""
    return Path(os.path.realpath(connections["default"].settings_dict["NAME"]))


def place() -> tuple[str, str]:
    """Return where the default store is, and on which host; for a server, the host is a part of the first."""
    return place_of(connections["default"])


def place_of(connection: BaseDatabaseWrapper) -> tuple[str, str]:
    """Return the same of any store."""
    if connection.vendor == "sqlite":
        return os.path.realpath(connection.settings_dict["NAME"]), socket.gethostname()
    found = connection.settings_dict
    return f"{connection.vendor}://{found['HOST'] or 'localhost'}:{found['PORT'] or ''}/{found['NAME']}", ""


def log_path(path: Path) -> Path:
    """Return the path of the store's write-ahead log."""
    return Path(f"{path}-wal")


def file_id(path: Path) -> FileId | None:
    """Return which file has this name now, or None."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def file_text(path: Path) -> str | None:
    """Return the same as a text."""
    file = file_id(path)
    return None if file is None else f"{file[0]}:{file[1]}"


def replaced(path: Path) -> str:
    """Return what is to be said when the file is no more the one that was opened."""
    return f"{path} was moved, deleted or replaced while the service ran. {REPLACED}"


def mark_of(path: Path) -> Mark:
    """Return the mark of the files as they are now."""
    return Mark(store=file_id(path), log=file_id(log_path(path)), content=content_of(path))


def mark_from(content: dict[str, Any]) -> Mark:
    """Return the mark that was written down."""

    def pair(name: str) -> tuple[int, int] | None:
        match content.get(name):
            case [int(first), int(second)]:
                return first, second
        return None

    return Mark(
        store=pair("store"),
        log=pair("log"),
        content=pair("content"),
        is_changed=content.get("is_changed") is True,
    )


def content_of(path: Path) -> tuple[int, int] | None:
    """Return size and time of the last change of a file; None when there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns


def refuse_unsafe(path: Path, mark: Mark) -> None:
    """Raise WrongStore when writing this file could damage it. `mark` is what the last writer left."""
    problem = _other_name(path) or _log_of_another(path, mark)
    if problem:
        raise WrongStore(problem)


def refuse_log_of_another(path: Path, mark: Mark) -> None:
    """Raise WrongStore when the log beside the file belongs to a file that was there before."""
    if problem := _log_of_another(path, mark):
        raise WrongStore(problem)


def _other_name(path: Path) -> str | None:
    try:
        names = path.stat().st_nlink
    except (FileNotFoundError, NotADirectoryError):
        return None
    if names > 1:
        return (
            f"{path} has {names} names (hard links), and SQLite's log belongs to one of them: writing "
            f"through two damages the store. Remove the others: `find / -xdev -samefile {path}` finds them."
        )
    if _is_mount_point_still(path, file_id(path)):
        return (
            f"{path} itself is a mount point, and SQLite's log lies outside of it: writing through two such "
            "places damages the store. Mount the directory that holds it instead."
        )
    return None


@cache
def _is_mount_point_still(path: Path, file: FileId | None) -> bool:
    # Each new connection asks, and nobody mounts a file over itself.
    return is_mount_point(path)


def is_mount_point(path: Path, mounts: str | None = None) -> bool:
    """Return whether a file system is mounted at the file itself; False where that cannot be told.

    `mounts` is the text of /proc/self/mountinfo, see proc(5).
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(errors="surrogateescape")
        except OSError:  # not Linux
            return False
    # Spaces and the like are written as octal numbers there.
    return any(
        re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split(" ")[4]) == os.fspath(path)
        for line in mounts.splitlines()
        if line.count(" ") > 4
    )


def _log_of_another(path: Path, mark: Mark) -> str | None:
    """Return what is wrong when the log was written for another file than the one that is here now."""
    if mark.is_changed and file_id(path) == mark.store:
        # Even without a log: whoever closed the store last has moved it into the file.
        return f"{path} was changed by another program while it was the store. {CHANGED}"
    log = log_path(path)
    # SQLite makes an empty file for whoever asks, and it may get the number of the former one.
    is_same = file_id(path) == mark.store and (content_of(path) or (0, 0))[0] > 0
    if mark.log is None or file_id(log) != mark.log or is_same:
        return None
    if log.stat().st_size == 0:
        return None
    return f"{path} is not the file that {log} was written for: together they are damaged. {REPLACED}"
