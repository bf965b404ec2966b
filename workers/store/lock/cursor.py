"""Django's cursor of SQLite, whose statements take the store lock when they write."""

import sqlite3
from collections import deque
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
        self._kept_rows: deque[Any] | None = None
        """What a write returned, fetched while the lock was held, or what was fetched ahead."""
        self._kept_error: Exception | None = None
        """What there is after them instead of more rows."""

    def execute(self, query: str, params: Any = None) -> Any:
        self._kept_rows = self._kept_error = None
        return self._guarded(query, partial(super().execute, self._allowed(query), params))

    def executemany(self, query: str, param_list: Any) -> Any:
        self._kept_rows = self._kept_error = None
        # A write, whatever its beginning: tried a second time, it would miss what an iterator has given. So
        # does one that begins a transaction, as it may have to: see RawConnection.on_present_rows.
        if not self._guard.connection.is_in_transaction:
            param_list = list(param_list)
        return self._guarded(query, partial(super().executemany, query, param_list), writes=True)

    def executescript(self, script: str) -> Any:
        self._kept_rows = self._kept_error = None
        run = super().executescript
        if permission.is_refused():
            return self._refusing(partial(run, script))
        self._begin_to_write()
        return self._guard.run(lambda: run(script))

    def _allowed(self, query: str) -> str:
        # IMMEDIATE would take SQLite's lock, for which a process that only reads has no use.
        is_begin = query.startswith("BEGIN") and permission.is_refused()
        return "BEGIN" if is_begin else query

    def _guarded(self, query: str, run: Any, *, writes: bool = False) -> Any:
        if writes or self._guard.writes(query):
            if not self._guard.is_held and permission.is_refused():
                return self._refusing(run)
            return self._run_with_lock(run, query)
        if statements.moves_log(query):
            return self._guard.move_log(run)
        try:
            return run()
        except sqlite3.OperationalError as exc:
            if code_of(exc) & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            if permission.is_refused():
                raise WriteOutsideWriter from exc
        return self._run_with_lock(run, query)

    def _run_with_lock(self, run: Any, query: str) -> Any:
        self._begin_to_write()
        return self._guard.run(partial(self._write, run), query)

    def _refusing(self, run: Any) -> Any:
        try:
            return run()
        except sqlite3.OperationalError as exc:
            if code_of(exc) & 0xFF == sqlite3.SQLITE_READONLY:
                raise WriteOutsideWriter from exc
            raise

    def _write(self, run: Any) -> Any:
        self._kept_rows = None  # a former try may have fetched some
        done = run()
        if self.description is not None and not self._guard.raw.in_transaction:
            # Outside of a transaction a statement commits when its last row is fetched: before the lock goes.
            self._kept_rows = deque(super().fetchall())
        return done

    def fetch_ahead(self) -> None:
        """Fetch the rows that are left, so that SQLite lets go of the snapshot which they are of."""
        if self._kept_rows is not None or self.description is None:
            return
        rows: deque[Any] = deque()
        try:
            for row in iter(super().fetchone, None):
                rows.append(row)
        except sqlite3.ProgrammingError:
            return  # it was closed, or its connection
        except Exception as exc:  # whatever a converter raises, for whoever comes to that row
            self._kept_error = exc
            self.close()
        self._kept_rows = rows

    def _begin_to_write(self) -> None:
        """Called before the lock is taken."""

    def _next_kept(self, size: int) -> list[Any]:
        rows = self._kept_rows or deque()
        if self._kept_error is not None and size > len(rows):
            raise self._kept_error
        return [rows.popleft() for _ in range(min(size, len(rows)))]

    def fetchone(self) -> Any:
        if self._kept_rows is None:
            return super().fetchone()
        return next(iter(self._next_kept(1)), None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        size = self.arraysize if size is None else size
        if self._kept_rows is None:
            return super().fetchmany(size)
        return self._next_kept(size)

    def fetchall(self) -> list[Any]:
        if self._kept_rows is None:
            return super().fetchall()
        return self._next_kept(len(self._kept_rows) + bool(self._kept_error))

    def __next__(self) -> Any:
        if self._kept_rows is None:
            return super().__next__()
        if (row := self.fetchone()) is None:
            raise StopIteration
        return row
