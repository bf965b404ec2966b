"""The time limit on what web processes read, and who is held up by a slow read.

A statement may take WRITE_READ_TIME_LIMIT_SECONDS from its start to its last row, and so may all statements
of one request together. SQLite asks `is_over` now and then, and stops with SQLITE_INTERRUPT.

On an event loop a statement has AT_ONCE_SECONDS. One that takes longer is cut off
and begun anew in a thread, which reading makes harmless, while the loop serves others.
"""

import sqlite3
import time
from functools import partial
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

from workers.conf import settings
from workers.event_loop.fibers import in_fiber
from workers.event_loop.lanes import Busy, Lane
from workers.store.errors import SQLITE_INTERRUPT
from workers.store.lock.cursor import GuardedCursor
from workers.store.lock.guard import Guard

AT_ONCE_SECONDS = 0.005
"""How long a statement may stop the event loop."""

AT_ONCE_INSTRUCTIONS = 10_000
"""SQLite's instructions between two looks at the clock: half a millisecond; a short read meets none."""

THREAD_INSTRUCTIONS = 400_000
"""The same in a thread, where each look has to wait for the interpreter's lock."""

READ_AHEAD_ROWS = 1_000
"""Rows that are fetched at first: until one was handed out, a statement can be begun anew."""

_slow_reads = Lane()


class Reading:
    """How long the statements of one connection may still take."""

    def __init__(self) -> None:
        self._is_in_request = False
        self._spent = self._started = self._seen = 0.0
        self._until = self.deadline = float("inf")

    def begin_request(self) -> None:
        self._is_in_request = True
        self._spent = self._started = self._seen = 0.0

    def end_request(self) -> None:
        self._is_in_request = False
        self._spent = 0.0

    def start(self) -> None:
        """Note that a statement begins."""
        now = time.monotonic()
        if self._is_in_request:
            self._spent += self._seen - self._started
        self._started = self._seen = now
        limit = settings.WRITE_READ_TIME_LIMIT_SECONDS
        self.deadline = now + limit - self._spent if limit else float("inf")
        self._until = min(self.deadline, now + AT_ONCE_SECONDS) if in_fiber() else self.deadline

    def allow_all(self) -> None:
        """Let the statement run until its deadline."""
        self._until = self.deadline

    @property
    def is_lifted(self) -> bool:
        """Whether the statement may take as long as it likes."""
        return self._until == float("inf")

    def lift(self) -> None:
        """Let the statement run to its end: it writes, for which there is a limit on the store lock."""
        self._until = self.deadline = float("inf")

    def is_over(self) -> bool:
        """Return whether the statement has to stop. SQLite's progress handler."""
        self._seen = time.monotonic()
        return self._seen >= self._until

    def may_go_on(self, exc: sqlite3.Error) -> bool:
        """Return whether it was stopped for the event loop's sake only."""
        is_cut_off = getattr(exc, "sqlite_errorcode", None) == SQLITE_INTERRUPT
        return is_cut_off and in_fiber() and not self.is_lifted and time.monotonic() < self.deadline


class TimedCursor(GuardedCursor):
    """Reads within the limit; on an event loop for a moment only, and then in a thread."""

    def __init__(self, reading: Reading, guard: Guard, connection: sqlite3.Connection) -> None:
        super().__init__(guard, connection)
        self._reading = reading
        self._statement: tuple[str, Any] = ("", None)
        self._ahead: list[Any] | None = None
        """Rows that were fetched and not handed out; None before the first fetch."""
        self._is_through = False

    def execute(self, query: str, params: Any = None) -> Any:
        self._reading.start()
        self._statement, self._ahead, self._is_through = (query, params), None, False
        try:
            return super().execute(query, params)
        except sqlite3.OperationalError as exc:
            if not self._reading.may_go_on(exc):
                raise
        self._begin_anew(READ_AHEAD_ROWS)
        return self

    def executemany(self, query: str, param_list: Any) -> Any:
        self._reading.start()
        self._reading.allow_all()
        self._ahead, self._is_through = [], True
        return super().executemany(query, param_list)

    def executescript(self, script: str) -> Any:
        self._reading.start()
        self._reading.allow_all()
        self._ahead, self._is_through = [], True
        return super().executescript(script)

    def _begin_to_write(self) -> None:
        self._reading.lift()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        wanted = self.arraysize if size is None else size
        ahead = self._first(wanted) if self._ahead is None else self._ahead
        while len(ahead) < wanted and not self._is_through:
            ahead = ahead + self._more(max(wanted, READ_AHEAD_ROWS))
        self._ahead = ahead[wanted:]
        return ahead[:wanted]

    def fetchone(self) -> Any:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchall(self) -> list[Any]:
        rows: list[Any] = []
        while more := self.fetchmany(READ_AHEAD_ROWS):
            rows += more
        return rows

    def __next__(self) -> Any:
        if (row := self.fetchone()) is None:
            raise StopIteration
        return row

    def _first(self, wanted: int) -> list[Any]:
        count = max(wanted, READ_AHEAD_ROWS)
        try:
            return self._fetch(count)
        except sqlite3.OperationalError as exc:
            if not self._reading.may_go_on(exc):
                raise
        self._begin_anew(count)
        return self._ahead or []

    def _more(self, count: int) -> list[Any]:
        return self._fetch(count) if self._reading.is_lifted else self._in_thread(partial(self._fetch, count))

    def _fetch(self, count: int) -> list[Any]:
        rows = super().fetchmany(count)
        self._is_through = len(rows) < count
        return rows

    def _begin_anew(self, count: int) -> None:
        """Run the statement in a thread, and fetch its first rows there."""

        def read() -> list[Any]:
            SQLiteCursorWrapper.execute(self, *self._statement)
            return self._fetch(count)

        self._ahead = self._in_thread(read)

    def _in_thread(self, read: Any) -> list[Any]:
        self._reading.allow_all()
        handle, reading = self.connection.set_progress_handler, self._reading
        handle(reading.is_over, THREAD_INSTRUCTIONS)
        try:
            rows: list[Any] = _slow_reads.run(read, within_seconds=reading.deadline - time.monotonic())
            return rows
        except Busy:
            error = sqlite3.OperationalError("interrupted")
            error.sqlite_errorcode = SQLITE_INTERRUPT
            raise error from None
        finally:
            handle(reading.is_over, AT_ONCE_INSTRUCTIONS)


def prepare(connection: BaseDatabaseWrapper, *, is_limited: bool) -> None:
    """Put a new SQLite connection under the limit, or leave it to itself."""
    if is_limited:
        connection.connection.set_progress_handler(reading_of(connection).is_over, AT_ONCE_INSTRUCTIONS)


def reading_of(connection: BaseDatabaseWrapper) -> Reading:
    """Return how long the statements of a connection may still take."""
    reading: Reading = vars(connection).setdefault("reading", Reading())
    return reading


def begin_request(connection: BaseDatabaseWrapper) -> None:
    """Let the statements of this connection share the limit of one request, from now on."""
    reading_of(connection).begin_request()


def end_request(connection: BaseDatabaseWrapper) -> None:
    """Let each statement of this connection have a limit of its own."""
    reading_of(connection).end_request()


def _request_begins(**_: object) -> None:
    if not in_fiber():  # whose connections come and go with the request, see workers/web/connection_pool.py
        begin_request(connections["default"])


def _request_ends(**_: object) -> None:
    if not in_fiber():
        end_request(connections["default"])


def connect() -> None:
    """Give each request a limit of its own."""
    request_started.connect(_request_begins, dispatch_uid="workers.store.read_limit.request_begins")
    request_finished.connect(_request_ends, dispatch_uid="workers.store.read_limit.request_ends")
