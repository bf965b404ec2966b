"""The lease of commands: taken at the first writing statement, given back at the end.

No command needs to know of this. A command's connection can only read at first; the statement that fails
for it, or the BEGIN of a transaction, is where the command asks the writer to pause, takes the lease, and
goes on. The operating system gives the lease back when the process ends, however it ends.

A process that does something else gives the lease back before its end: a shell at its prompt, a command that
waits for a response or sleeps. Its next write takes it again. Only `migrate`, whose steps must not be
interleaved with writes, and an open transaction keep it.
"""

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import redis
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.conf import settings
from workers.exceptions import LeaseUnavailable
from workers.store import errors, pragmas
from workers.store.lease.holder import Holder
from workers.store.lease.lease import Lease

POLL_SECONDS = 0.02
IDLE_SECONDS = 0.3
"""How long a process keeps the lease after its last write, outside of a transaction."""

READING = ("SELECT", "PRAGMA", "EXPLAIN")
"""Beginnings of statements that do not count as use of the lease."""


AskWriter = Callable[[str, float], AbstractContextManager[None]]
"""Asks the writer for the lease, in the name of a purpose and for so many seconds, while its block runs."""


@contextmanager
def _ask_nobody(purpose: str, seconds: float) -> Iterator[None]:
    yield


class CommandLease:
    """The lease as this process takes it to write. Every connection of a command shares it."""

    def __init__(self) -> None:
        self.may_ask = True
        """Whether a writer at work may be asked to pause; `--no-pause` forbids it."""
        self.ask_writer: AskWriter = _ask_nobody
        """How a writer is asked for the lease: workers.apps sets it, because the stream knows of the store
        and not the other way round."""
        self.is_kept = False
        """Whether the lease is kept while nothing is written, as migrations need it."""
        self._lease: Lease | None = None
        self._used_at = 0.0
        # SQLite's own, which one of Django's may close and replace by another, in another role.
        self._writable: list[sqlite3.Connection] = []
        self.mutex = threading.RLock()
        """Held while a statement runs, so that the lease is never given back beneath one."""

    @property
    def is_taken(self) -> bool:
        return self._lease is not None

    def take(self) -> None:
        """Hold the lease. Raises LeaseUnavailable; then nothing was written."""
        self.note_use()
        if self._lease is not None:
            return
        lease = Lease()
        if not lease.try_acquire(purpose=_purpose()):
            self._ask(lease)
        self._lease = lease
        threading.Thread(target=self._end_when_idle, name="command lease", daemon=True).start()

    def note_use(self) -> None:
        """Note that the process writes."""
        self._used_at = time.monotonic()

    def make_writable(self, connection: BaseDatabaseWrapper) -> None:
        """Take the lease, and let the connection write until it is given back."""
        self.take()
        connection.connection.execute("PRAGMA query_only = 0")
        if connection.connection not in self._writable:
            self._writable.append(connection.connection)
        pragmas.apply(connection, pragmas.for_writing())

    def end(self) -> None:
        """Give the lease back; the next write takes it again."""
        with self.mutex:
            lease, self._lease = self._lease, None
            if lease is None:
                return
            # Every connection of every thread: one that stayed writable would write without the lease.
            for connection in self._writable:
                _make_read_only(connection)
            self._writable.clear()
            lease.release()

    def _ask(self, lease: Lease) -> None:
        """Take the lease from the writer, which gives it back when it is asked."""
        who = lease.holder() or Holder.unknown()
        if not self.may_ask:
            raise LeaseUnavailable(
                f"{who} is writing the store and --no-pause forbids to ask it to pause. Nothing was written."
            )
        limit = settings.WRITE_PAUSE_TIMEOUT_SECONDS
        deadline = time.monotonic() + limit
        try:
            with self.ask_writer(_purpose(), limit):
                while not lease.try_acquire(purpose=_purpose()):
                    if time.monotonic() > deadline:
                        raise LeaseUnavailable(
                            f"{who} did not pause within {limit:g} s. Nothing was written. "
                            "See `manage.py writer_status`; try again, or stop it first."
                        )
                    time.sleep(POLL_SECONDS)
        except redis.RedisError as exc:
            lease.release()
            raise LeaseUnavailable(
                f"{who} is writing the store, and Redis does not respond, so it cannot be asked to pause: "
                f"{exc}. Nothing was written. Start Redis, or stop the writer first."
            ) from exc

    def _end_when_idle(self) -> None:
        lease = self._lease
        while self._lease is lease and lease is not None:
            time.sleep(IDLE_SECONDS / 3)
            with self.mutex:
                if self._lease is lease and self._is_idle():
                    self.end()

    def _is_idle(self) -> bool:
        if self.is_kept or time.monotonic() - self._used_at <= IDLE_SECONDS:
            return False
        return not any(_is_in_transaction(connection) for connection in self._writable)


command_lease = CommandLease()


def release_command_lease() -> None:
    """Give the lease back before the process ends, if this process has taken it."""
    command_lease.end()


def forbid_pause() -> None:
    """Let this process write only if nobody holds the lease."""
    command_lease.may_ask = False


def write_with_lease(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement of a command, with the lease if it writes. An execute wrapper."""
    connection: BaseDatabaseWrapper = context["connection"]
    with command_lease.mutex:
        if sql.startswith("BEGIN"):
            # Before the transaction takes SQLite's lock: the writer needs that to finish its batch.
            command_lease.make_writable(connection)
        try:
            result = execute(sql, params, many, context)
        except OperationalError as exc:
            if errors.sqlite_code(exc) != errors.SQLITE_READONLY or connection.in_atomic_block:
                raise
            command_lease.make_writable(connection)
            result = execute(sql, params, many, context)
        if not sql.lstrip()[:7].upper().startswith(READING):
            command_lease.note_use()
        return result


def keep_while_migrating(**_: object) -> None:
    """Keep the lease between the steps of a migration. Receives `pre_migrate`."""
    command_lease.is_kept = True


def keep_no_longer(**_: object) -> None:
    """Receives `post_migrate`."""
    command_lease.is_kept = False


def _make_read_only(connection: sqlite3.Connection) -> None:
    # Its thread may have closed it. Another thread may use it, because Django opens it so.
    with suppress(sqlite3.ProgrammingError):
        connection.execute("PRAGMA query_only = 1")


def _is_in_transaction(connection: sqlite3.Connection) -> bool:
    # SQLite's own word: Django does not know of a BEGIN that was typed.
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:  # closed
        return False


def _purpose() -> str:
    return f"manage.py {sys.argv[1]}" if len(sys.argv) > 1 else f"process {os.getpid()}"
