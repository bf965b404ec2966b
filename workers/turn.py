"""A command's turn at writing: take the lease at the first writing statement, give it back at the end.

No command needs to know of this. A command's connection can only read at first; the statement that fails
for it, or the BEGIN of a transaction, is where the command asks the writer to pause, takes the lease, and
goes on. The operating system gives the lease back when the process ends, however it ends.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from workers import faults, pauses
from workers.conf import settings
from workers.connections import connect
from workers.exceptions import LeaseUnavailable
from workers.lease import Lease

POLL_SECONDS = 0.02
IDLE_SECONDS = 0.3
"""How long a prompt keeps the lease after its last write."""


class Turn:
    """The turn of this process. Every connection of a command shares it."""

    def __init__(self) -> None:
        self.may_ask = True
        """Whether a writer at work may be asked to pause; `--no-pause` forbids it."""
        self.is_prompt = False
        """Whether a person types the statements: the lease is then given back after each transaction."""
        self._lease: Lease | None = None
        self._used_at = 0.0
        self.mutex = threading.RLock()

    @property
    def is_taken(self) -> bool:
        return self._lease is not None

    def take(self) -> None:
        """Hold the lease. Raises LeaseUnavailable; then nothing was written."""
        self._used_at = time.monotonic()
        if self._lease is not None:
            return
        lease = Lease()
        if not lease.try_acquire(purpose=_purpose()):
            self._ask(lease)
        self._lease = lease
        if self.is_prompt:
            threading.Thread(target=self._end_when_idle, name="turn", daemon=True).start()

    def end(self) -> None:
        """Give the lease back; the next write takes it again."""
        with self.mutex:
            lease, self._lease = self._lease, None
            if lease is None:
                return
            for connection in connections.all(initialized_only=True):
                if connection.vendor == "sqlite" and connection.connection is not None:
                    connection.connection.execute("PRAGMA query_only = 1")
            lease.release()

    def _ask(self, lease: Lease) -> None:
        holder = lease.holder() or {}
        who = f"{holder.get('purpose', 'another process')} (pid {holder.get('pid', 'unknown')})"
        if not self.may_ask:
            raise LeaseUnavailable(
                f"{who} is writing the store and --no-pause forbids to ask it to pause. Nothing was written."
            )
        limit = settings.WRITE_PAUSE_TIMEOUT_SECONDS
        pause = pauses.Pause(by=_purpose(), until=time.time() + limit)
        deadline = time.monotonic() + limit
        try:
            with connect(timeout_seconds=2.0) as client:
                pauses.request(client, pauses.Kind.COMMAND, pause, seconds=limit)
                try:
                    _ring()
                    while not lease.try_acquire(purpose=_purpose()):
                        if time.monotonic() > deadline:
                            raise LeaseUnavailable(
                                f"{who} did not pause within {limit:g} s. Nothing was written. "
                                "See `manage.py writer_status`; try again, or stop it first."
                            )
                        time.sleep(POLL_SECONDS)
                finally:
                    pauses.withdraw(client, pauses.Kind.COMMAND)
        except redis.RedisError as exc:
            lease.release()
            raise LeaseUnavailable(
                f"{who} is writing the store, and Redis does not answer, so it cannot be asked to pause: "
                f"{exc}. Nothing was written. Start Redis, or stop the writer first."
            ) from exc

    def _end_when_idle(self) -> None:
        while self.is_taken:
            time.sleep(IDLE_SECONDS)
            with self.mutex:
                if not _in_transaction() and time.monotonic() - self._used_at > IDLE_SECONDS:
                    self.end()


turn = Turn()


def end_turn() -> None:
    """Give the lease back before the process ends, if this process has taken its turn."""
    turn.end()


def forbid_pause() -> None:
    """Let this process write only if nobody holds the lease."""
    turn.may_ask = False


def take_turn_to_write(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement of a command, with the lease if it writes. An execute wrapper."""
    connection: BaseDatabaseWrapper = context["connection"]
    with turn.mutex:
        if sql.startswith("BEGIN"):
            # Before the transaction takes SQLite's lock: the writer needs that to finish its batch.
            _make_writable(connection)
        try:
            return execute(sql, params, many, context)
        except OperationalError as exc:
            if faults.sqlite_code(exc) != faults.SQLITE_READONLY or connection.in_atomic_block:
                raise
            _make_writable(connection)
            return execute(sql, params, many, context)


def _make_writable(connection: BaseDatabaseWrapper) -> None:
    from workers import store

    turn.take()
    connection.connection.execute("PRAGMA query_only = 0")
    store.apply(connection, store.writing_pragmas())


def _in_transaction() -> bool:
    return any(connection.in_atomic_block for connection in connections.all(initialized_only=True))


def _purpose() -> str:
    return f"manage.py {sys.argv[1]}" if len(sys.argv) > 1 else f"process {os.getpid()}"


def _ring() -> None:
    from workers.tasks import ring

    ring()
