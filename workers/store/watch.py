"""Whether the writer's connection still writes the files that bear the store's names."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from django.db import connection, connections, transaction

from workers.exceptions import WrongStore
from workers.store import opening, store_file
from workers.store.lock.guard import Guard
from workers.store.store_file import CHANGED, REPLACED, FileId, Mark, file_id


class StoreWatch(Protocol):
    """Tells whether what is committed is kept where everybody looks for it."""

    def note(self) -> None:
        """Take the store for what it is now."""

    def problem(self) -> str | None:
        """Return why nothing that is committed now would be kept; None when all is well."""

    def assure(self) -> None:
        """Raise LeaseLost when another worker is known to be the writer."""


def watch_of_store() -> StoreWatch:
    """Return the watch over the default store."""
    return Watch() if connection.vendor == "sqlite" else ServerWatch()


class ServerWatch:
    """A server knows its files, and has one database of a name: `LeaseLost` tells of another writer."""

    def note(self) -> None:
        """Open the connection. Raises django.db.Error."""
        connection.ensure_connection()

    def problem(self) -> str | None:
        return None

    def assure(self) -> None:
        """Ask the server. Raises LeaseLost, StoreBusy and other django.db.Error."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")  # by which a transaction begins, and the lease is looked at


NOTE_SECONDS = 2.0
"""Longest wait for the store lock, without which the file may change meanwhile."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the names meant when a connection opened them."""

    handle: Any
    files: tuple[FileId | None, ...]
    content: tuple[int, int] | None
    """Size, and time of the last change in nanoseconds, of the store's file itself."""


class Watch:
    """Tells whether the writer's connection still writes the files that bear the store's names.

    A file that was deleted, or that another one was moved over, still takes commits, and nobody will ever
    read them. To be used by the lease's holder. In WAL mode only checkpoints change the file itself, and who
    holds the store lock leaves a mark of them: any other change is a foreign program's.
    """

    def __init__(self) -> None:
        self._path = store_file.path()
        # Looked at by its name as it was given: a link may come to lead elsewhere.
        self._name = Path(connections["default"].settings_dict["NAME"])
        self._names = (self._path, store_file.log_path(self._path), Path(f"{self._path}-shm"))
        self._store = file_id(self._name)
        self._opened: _Opened | None = None

    def note(self) -> None:
        """Take what the connection has open, opening it if need be, for what the names are to mean.

        To be called after each opening. Raises WrongStore, StoreBusy and other django.db.Error.
        """
        if file_id(self._name) != self._store:
            raise WrongStore(store_file.replaced(self._path))
        with _guard().kept(NOTE_SECONDS):
            with connection.cursor() as cursor:
                # A read, because SQLite opens its log only then.
                cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1")
                cursor.fetchall()
            self._opened = _Opened(
                connection.connection,
                tuple(file_id(name) for name in self._names),
                store_file.content_of(self._name),
            )
            self._mark(is_changed=False)

    def assure(self) -> None:
        """A lease on a file is not lost while its holder lives."""

    def problem(self) -> str | None:
        """Return why nothing that is committed now would be kept; None when all is well.

        Raises StoreBusy when that cannot be told now, and django.db.Error when the store cannot be opened.
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
            return store_file.replaced(self._path)
        if (found.st_dev, found.st_ino) != opened.files[0]:
            return store_file.replaced(self._path)
        for name, file in zip(self._names[1:], opened.files[1:], strict=True):
            if file_id(name) != file:
                return f"{name} was deleted or replaced while the store was open. {REPLACED}"
        if (found.st_size, found.st_mtime_ns) != opened.content:
            return self._judge_change(opened)
        return None

    def _judge_change(self, opened: _Opened) -> str | None:
        """Say whether it was one of us who moved the log into the file."""
        guard = _guard()
        with guard.kept(NOTE_SECONDS):
            mark, content = guard.lock.mark(), store_file.content_of(self._name)
            if not mark.is_changed and mark.content in (content, None):
                self._opened = replace(opened, content=content)
                if mark.content is None:  # one of us was killed while it moved the log
                    self._mark(is_changed=False)
                return None
            self._mark(is_changed=True)
        return f"{self._path} was changed by another program while it was the store. {CHANGED}"

    def _mark(self, *, is_changed: bool) -> None:
        if self._opened is not None:
            store, log, _ = self._opened.files
            mark = Mark(store=store, log=log, content=self._opened.content, is_changed=is_changed)
            _guard().lock.leave_mark(mark)


def _guard() -> Guard:
    guard = opening.own_guard()
    if guard is None:
        raise WrongStore("The writer writes an SQLite file, and the default database is none.")
    return guard
