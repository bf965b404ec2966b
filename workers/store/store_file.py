"""The store's file, whatever it is called: which one it is, and whether it may be written.

A file is its device and inode, not its name. SQLite keeps its log beside the name by which a file was opened,
so a second name means a second log: see https://www.sqlite.org/howtocorrupt.html, sections 2.4 and 2.5.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, connections

from workers.exceptions import WrongStore
from workers.store.roles import Role, current_role

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
    "store is sound. Then remove the .lease file beside it, which keeps this note, and start the service."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which files the last process that wrote the store had open; kept in the lease's file."""

    store: FileId | None = None
    log: FileId | None = None
    """Its write-ahead log."""
    is_changed: bool = False
    """Whether another program was seen to write into the file itself."""


def path() -> Path:
    """Return the real path of the default store: links are followed, as SQLite follows them."""
    return Path(os.path.realpath(connections["default"].settings_dict["NAME"]))


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
    return Mark(store=file_id(path), log=file_id(log_path(path)))


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
    if is_mount_point(path):
        return (
            f"{path} itself is a mount point, and SQLite's log lies outside of it: writing through two such "
            "places damages the store. Mount the directory that holds it instead."
        )
    return None


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
    if mark.log is None or file_id(log) != mark.log or file_id(path) == mark.store:
        return None
    if log.stat().st_size == 0:
        return None
    return f"{path} is not the file that {log} was written for: together they are damaged. {REPLACED}"


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the names meant when a connection opened them."""

    handle: Any
    files: tuple[FileId | None, ...]
    content: tuple[int, int]
    """Size, and time of the last change in nanoseconds, of the store's file itself."""


class Watch:
    """Tells whether the writer's connection still writes the files that bear the store's names.

    A file that was deleted, or that another one was moved over, still takes commits, and nobody will ever
    read them. To be used by the lease's holder, who alone writes: in WAL mode only its checkpoints change the
    file itself, so any other change of it is another program's.
    """

    def __init__(self, *, leave_mark: Callable[[Mark], None] = lambda mark: None) -> None:
        """`leave_mark` keeps what the next one who writes must know, should this process die."""
        self._leave_mark = leave_mark
        self._path = path()
        # Looked at by its name as it was given: a link may come to lead elsewhere.
        self._name = Path(connections["default"].settings_dict["NAME"])
        self._names = (self._path, log_path(self._path), Path(f"{self._path}-shm"))
        self._store = file_id(self._name)
        self._opened: _Opened | None = None
        # A command's connection, as in tests, checkpoints by itself.
        self._is_alone = current_role() is Role.WRITER

    def note(self) -> None:
        """Take what the connection has open, opening it if need be, for what the names are to mean.

        To be called after each opening and each checkpoint. Raises WrongStore, and django.db.Error.
        """
        if file_id(self._name) != self._store:
            raise WrongStore(replaced(self._path))
        with connection.cursor() as cursor:
            # A read, because SQLite opens its log only then.
            cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1")
            cursor.fetchall()
        found = self._name.stat()
        self._opened = _Opened(
            connection.connection,
            tuple(file_id(name) for name in self._names),
            (found.st_size, found.st_mtime_ns),
        )
        self._mark(is_changed=False)

    def problem(self) -> str | None:
        """Return why nothing that is committed now would be kept; None when all is well.

        Raises django.db.Error when the store cannot be opened.
        """
        opened = self._opened
        if opened is None or connection.connection is not opened.handle:
            try:
                self.note()
            except WrongStore as exc:
                return str(exc)
            return None
        try:
            found = self._name.stat()
        except OSError:
            return replaced(self._path)
        if (found.st_dev, found.st_ino) != opened.files[0]:
            return replaced(self._path)
        for name, file in zip(self._names[1:], opened.files[1:], strict=True):
            if file_id(name) != file:
                return f"{name} was deleted or replaced while the store was open. {REPLACED}"
        if self._is_alone and (found.st_size, found.st_mtime_ns) != opened.content:
            self._mark(is_changed=True)
            return f"{self._path} was changed by another program while it was the store. {CHANGED}"
        return None

    def _mark(self, *, is_changed: bool) -> None:
        if self._opened is not None:
            store, log, _ = self._opened.files
            self._leave_mark(Mark(store=store, log=log, is_changed=is_changed))
