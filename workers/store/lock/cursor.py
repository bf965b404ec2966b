"""Django's cursor of SQLite, whose statements take the store lock when they write."""

import sqlite3
from contextlib import suppress
from functools import partial
from typing import Any

from django.db.backends.sqlite3.base import SQLiteCursorWrapper

from workers.exceptions import WriteOutsideWriter
from workers.store import permission
from workers.store.lock import statements
from workers.store.lock.guard import Guard
from workers.store.lock.raw_connection import code_of


class GuardedCursor(SQLiteCursorWrapper):
    """Writes with the store lock, or not at all where only the writer may."""

    def __init__(self, guard: Guard, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._guard = guard
        guard.cursors.add(self)
        self._kept_rows: list[Any] | None = None
        """What a write returned, fetched while the lock was held."""

    def execute(self, query: str, params: Any = None) -> Any:
        self._kept_rows = None
        return self._guarded(query, partial(super().execute, self._allowed(query), params))

    def executemany(self, query: str, param_list: Any) -> Any:
        self._kept_rows = None
        # A write, whatever its beginning: tried a second time, it would miss what an iterator has given. So
        # does one that begins a transaction, as it may have to: see RawConnection.on_present_rows.
        if not self._guard.connection.is_in_transaction:
            param_list = list(param_list)
        return self._guarded(query, partial(super().executemany, query, param_list), writes=True)

    def executescript(self, script: str) -> Any:
        self._kept_rows = None
        run = super().executescript
        if permission.is_refused():
            return self._refusing(partial(run, script))
        return self._guard.run(lambda: run(script))

    def _allowed(self, query: str) -> str:
        # IMMEDIATE would take SQLite's lock, for which a process that only reads has no use.
        is_begin = query.startswith("BEGIN") and permission.is_refused()
        return "BEGIN" if is_begin else query

    def _guarded(self, query: str, run: Any, *, writes: bool = False) -> Any:
        if writes or self._guard.writes(query):
            if not self._guard.is_held and permission.is_refused():
                return self._refusing(run)
            return self._guard.run(partial(self._write, run), query)
        if statements.moves_log(query):
            return self._guard.move_log(run)
        try:
            return run()
        except sqlite3.OperationalError as exc:
            if code_of(exc) & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            if permission.is_refused():
                raise WriteOutsideWriter from exc
        return self._guard.run(partial(self._write, run), query)

    def _refusing(self, run: Any) -> Any:
        try:
            return run()
        except sqlite3.OperationalError as exc:
            if code_of(exc) & 0xFF == sqlite3.SQLITE_READONLY:
                raise WriteOutsideWriter from exc
            raise

    def _write(self, run: Any) -> Any:
        self._begin_to_write()
        self._kept_rows = None  # a former try may have fetched some
        done = run()
        if self.description is not None and not self._guard.raw.in_transaction:
            # Outside of a transaction a statement commits when its last row is fetched: before the lock goes.
            self._kept_rows = super().fetchall()
        return done

    def fetch_ahead(self) -> None:
        """Fetch the rows that are left, so that SQLite lets go of the snapshot which they are of."""
        if self._kept_rows is None and self.description is not None:
            with suppress(sqlite3.ProgrammingError):  # it was closed, or its connection
                self._kept_rows = super().fetchall()

    def _begin_to_write(self) -> None:
        """Called with the lock held."""

    def fetchone(self) -> Any:
        if self._kept_rows is None:
            return super().fetchone()
        return self._kept_rows.pop(0) if self._kept_rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        size = self.arraysize if size is None else size
        if self._kept_rows is None:
            return super().fetchmany(size)
        rows, self._kept_rows = self._kept_rows[:size], self._kept_rows[size:]
        return rows

    def fetchall(self) -> list[Any]:
        if self._kept_rows is None:
            return super().fetchall()
        rows, self._kept_rows = self._kept_rows, []
        return rows

    def __next__(self) -> Any:
        if self._kept_rows is None:
            return super().__next__()
        if not self._kept_rows:
            raise StopIteration
        return self._kept_rows.pop(0)
