"""SQLite's connection under a guard, and what it needs before it may write."""

import ctypes
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from workers.conf import settings
from workers.exceptions import WrongStore
from workers.store import pragmas, store_file
from workers.store.lock import statements
from workers.store.lock.store_lock import StoreLock
from workers.store.roles import Role, current_role

T = TypeVar("T")

_kept_open: set[Path] = set()
"""The stores of connections that are never closed in this process."""


def code_of(exc: sqlite3.Error) -> int:
    """Return SQLite's extended code; 0 for an error of Python's own module, which has none."""
    return getattr(exc, "sqlite_errorcode", 0)


class HasRows(Protocol):
    """A cursor that may have rows to fetch; workers/store/lock/cursor.py."""

    def close(self) -> None: ...

    def fetch_ahead(self) -> None: ...


class RawConnection:
    """Of one guard. Django closes SQLite's connection and replaces it."""

    def __init__(self, lock: StoreLock) -> None:
        self.lock = lock
        self.raw: Any = None
        """SQLite's connection; None until the first one is opened."""
        self._is_prepared = False
        self._only_reads = False
        """Whether SQLite lets it write only while it holds the lock."""
        self._file: store_file.FileId | None = None
        self._process = 0
        """Which has taken the lock for it last."""
        self._is_kept_open = False

    def opened(self, raw: sqlite3.Connection) -> None:
        """Go over to a new one. Raises sqlite3.Error."""
        self.raw, self._is_prepared, self._is_kept_open = raw, False, False
        self._only_reads = bool(pragmas.read(raw, ["query_only"])["query_only"])
        self._file = store_file.file_id(self.lock.store)

    def note_process(self) -> None:
        """Note that this process takes the lock for it."""
        self._process = os.getpid()

    @property
    def is_of_parent(self) -> bool:
        """Whether the lock was taken for it before this process was forked from the one that holds it."""
        return self._process != os.getpid()

    def keep_open(self) -> None:
        """Have it never closed in this process.

        That would undo what its parent writes, in the memory that all processes share, and damage the store.
        """
        if not self._is_kept_open and self.raw is not None:
            self._is_kept_open = True
            _kept_open.add(self.lock.store)
            # A list would be emptied, and it closed, when the process ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.raw))

    def make_writable(self) -> bool:
        """Let it write; return whether nothing is left to be done with the lock held. Raises WrongStore."""
        if current_role() is not Role.WRITER:  # who watches the file by itself
            self._refuse_replaced_file()
            if self._only_reads:
                self.raw.execute("PRAGMA query_only = 0")
        if self._is_prepared:
            return True
        store_file.refuse_unsafe(self.lock.store, self.lock.mark())
        self._is_prepared = pragmas.is_log_on(self.raw)
        if self._is_prepared:
            pragmas.apply(self.raw, pragmas.for_writing())
            self._is_prepared = self.lock.mark().is_of_same_files(store_file.mark_of(self.lock.store))
        return self._is_prepared

    def turn_log_on(self) -> None:
        """Turn the write-ahead log on, and note which files are written from now on. With the lock held."""
        was_on = pragmas.is_log_on(self.raw)
        pragmas.make_writable(self.raw, settings.WRITE_LOCK_WAIT_SECONDS)
        self._is_prepared = True
        former, mark = self.lock.mark(), store_file.mark_of(self.lock.store)
        if was_on and former.store == mark.store:
            # Only who changes the file says so: a foreign change must not be covered up.
            mark = replace(mark, content=former.content)
        self.lock.leave_mark(mark)

    def has_log(self, sql: str) -> bool:
        """Return whether a statement only turns on what is on, as some projects do for each connection."""
        return statements.turns_log_on(sql) and pragmas.is_log_on(self.raw)

    def on_present_rows(self, call: Callable[[], T], cursors: Iterable[HasRows], sql: str = "") -> T:
        """Do what takes SQLite's lock, although rows that others have changed since are still to be fetched.

        They are fetched then, into memory. `sql` is what is run; "" for a script. Raises sqlite3.Error.
        """
        if not self.is_in_transaction and (self.raw.isolation_level is not None or statements.asks_late(sql)):
            # Once it has begun, what it has done cannot be done again.
            self._on_present_rows(self._begin_and_end, cursors)
        return self._on_present_rows(call, cursors)

    def _on_present_rows(self, call: Callable[[], T], cursors: Iterable[HasRows]) -> T:
        try:
            return call()
        except sqlite3.OperationalError as exc:
            if code_of(exc) != sqlite3.SQLITE_BUSY_SNAPSHOT or self.is_in_transaction:
                raise
        for cursor in list(cursors):
            cursor.fetch_ahead()
        return call()

    def _begin_and_end(self) -> None:
        self.raw.execute("BEGIN IMMEDIATE")
        self.raw.commit()

    def roll_back(self, cursors: Iterable[HasRows]) -> None:
        """Undo its transaction; `cursors` are those that may have rows to fetch. Raises sqlite3.Error."""
        try:
            self.raw.rollback()
        except sqlite3.OperationalError:
            # An interruption lasts until no cursor of the connection has rows to fetch.
            for cursor in list(cursors):
                cursor.close()
            self.raw.rollback()

    def make_read_only(self) -> None:
        """Let it write no longer, if it was opened so."""
        if self._only_reads:
            self.raw.execute("PRAGMA query_only = 1")

    @property
    def is_open(self) -> bool:
        try:
            return self.raw is not None and self.raw.total_changes >= 0
        except sqlite3.ProgrammingError:
            return False

    @property
    def is_in_transaction(self) -> bool:
        # SQLite's own word: Django does not know of a BEGIN that was typed.
        try:
            return self.raw is not None and self.raw.in_transaction
        except sqlite3.ProgrammingError:  # closed
            return False

    def _refuse_replaced_file(self) -> None:
        found = store_file.file_id(self.lock.store)
        if self._file is None:
            self._file = found  # made since
        elif found != self._file:
            raise WrongStore(store_file.replaced(self.lock.store))


def is_kept_open(store: Path) -> bool:
    """Return whether this process has inherited a connection that its parent writes through."""
    return store in _kept_open
