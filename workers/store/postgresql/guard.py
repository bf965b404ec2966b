"""The store lock on PostgreSQL: an advisory lock, held by whoever writes until its transaction ends.

The server gives it back with the transaction, or with the connection. Those who ask wait in its queue, in the
order of asking. See https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from workers.conf import settings
from workers.exceptions import RoleMayNotWrite, StoreBusy, TransactionTimedOut, WriteOutsideWriter
from workers.store import fence, permission
from workers.store.holder import Holder
from workers.store.lock import purpose
from workers.store.lock.savepoints import Savepoints
from workers.store.lock.waiting import OnWait, WaitLog
from workers.store.postgresql import statements, who
from workers.store.roles import Role, current_role

CUT_OFF = psycopg.errors.IdleInTransactionSessionTimeout
"""The server's word for it, where it comes through; else the connection is just closed."""


class ServerGuard:
    """Of one Django connection: takes the lock before what writes. One of its `execute_wrappers`.

    In a transaction that is before its first statement, as BEGIN IMMEDIATE does for SQLite: what was read
    before the lock was had could be out of date.
    """

    on_wait: OnWait | None = None
    check: Callable[[BaseDatabaseWrapper], None] | None = None
    """Called in each transaction, once the lock is held: the writer asks whether it still is the writer."""
    reopened: Callable[[BaseDatabaseWrapper], None] | None = None
    """Called when the connection was opened anew: the writer takes its lease anew."""

    def __init__(self) -> None:
        self.is_left = False
        """Whether its transaction is ended for as long as its thread waits for the writer."""
        self._is_held = False
        self._kept = 0
        self._seconds: float | None = None
        """Longest wait for the lock; None for that of the settings."""
        self._limit: float | None = None
        """How long the transaction may hold it; None for as long as it takes."""
        self._since = 0.0
        """When it was had, by the monotonic clock."""
        self._log = WaitLog()
        self._savepoints = Savepoints()

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Wait in the block for so many seconds at most."""
        former, self._seconds = self._seconds, seconds
        try:
            yield
        finally:
            self._seconds = former

    def opened(self) -> None:
        """Begin anew: the connection is another one, and what the former one held is the server's again."""
        self._is_held, self._kept = False, 0

    def __call__(
        self, execute: Callable[..., Any], query: Any, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        """Run a statement, with the lock where it needs it.

        Raises StoreBusy, TransactionTimedOut, WriteOutsideWriter, LeaseLost and django.db.Error.
        """
        connection = context["connection"]
        text = query if isinstance(query, str) else query.as_string(connection.connection)
        try:
            return self._run(connection, text, lambda: execute(query, params, many, context))
        except Exception as exc:
            raise self._explained(exc) from exc.__cause__

    def _run(self, connection: BaseDatabaseWrapper, text: str, run: Callable[[], Any]) -> Any:
        raw: psycopg.Connection[Any] = connection.connection
        is_idle = raw.pgconn.transaction_status == TransactionStatus.IDLE
        if is_idle:
            self._is_held = False
            self._savepoints.clear()
            fence.refuse_transaction(self)
        self._savepoints.note(text)
        if self._kept and not self._is_held and not raw.autocommit:
            self._begin(connection)
        if self._is_held or self._kept or permission.is_refused():
            return self._run_and_see(text, run)
        if not raw.autocommit or not is_idle:
            if not statements.prepares_transaction(text) and not statements.ends_transaction(text):
                self._take(connection)
            return self._run_and_see(text, run)
        if not statements.writes(text):
            return run()
        if statements.is_for_no_transaction(text):
            with self.kept(connection):
                return run()
        with raw.transaction():
            self._take(connection)
            return run()

    def _run_and_see(self, text: str, run: Callable[[], Any]) -> Any:
        try:
            return run()
        finally:
            if statements.undoes_part(text):
                # A lock that was taken since the savepoint is the server's again.
                self._is_held = False

    def _take(self, connection: BaseDatabaseWrapper) -> None:
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute(f"{_limits()}SET LOCAL application_name = %s; {who.TRY}", [who.application_name()])
            while cursor.nextset():
                pass
            if not cursor.fetchone()[0]:
                seconds = self._seconds
                self._wait(
                    connection, cursor, settings.WRITE_LOCK_WAIT_SECONDS if seconds is None else seconds
                )
        self._limit, self._since = _limit_seconds(), time.monotonic()
        self._begin(connection)

    def _begin(self, connection: BaseDatabaseWrapper) -> None:
        """Note that a transaction has the lock, its own or the one that is kept."""
        self._is_held = True
        if self.check is not None:
            self.check(connection)

    def _wait(
        self, connection: BaseDatabaseWrapper, cursor: Any, seconds: float, *, lock: str = who.WAIT
    ) -> None:
        """Wait in the server's queue. Raises StoreBusy."""
        holder = who.holder(cursor) or Holder.unknown()
        if seconds <= 0:
            raise StoreBusy(f"{holder} writes the store.")
        self._log.name(holder)
        raw, on_wait = connection.connection, self.on_wait
        if on_wait is not None:
            raw.on_idle = lambda waited: on_wait(holder, waited)
        cursor.execute("SHOW lock_timeout")
        usual = cursor.fetchone()[0]
        try:
            cursor.execute(
                f"SET LOCAL lock_timeout = %s; {lock}; SET LOCAL lock_timeout = %s",
                [f"{seconds * 1000:.0f}", usual],
            )
        except psycopg.errors.LockNotAvailable as exc:
            busy = StoreBusy(
                f"{holder} writes the store, and this waited for {seconds:.0f} s. Nothing was written."
            )
            purpose.note_busy(busy)
            raise busy from exc
        finally:
            if on_wait is not None:
                raw.on_idle = None

    def _explained(self, exc: Exception) -> Exception:
        cause = exc.__cause__
        if isinstance(cause, psycopg.errors.ReadOnlySqlTransaction) and permission.is_refused():
            return WriteOutsideWriter()
        is_denied = isinstance(cause, psycopg.errors.InsufficientPrivilege)
        if is_denied and self._is_held and current_role() is Role.WEB:
            return RoleMayNotWrite(
                f"The role of this web process may not write: {cause}. Let DATABASE_URL of hosts that serve "
                "the admin name a role that may."
            )
        is_late = self._is_held and self._limit is not None and time.monotonic() - self._since >= self._limit
        if is_late and isinstance(cause, psycopg.OperationalError | CUT_OFF):
            return TransactionTimedOut(
                f"{purpose.current()} held the store lock for more than {self._limit:g} s "
                "(WRITE_LOCK_HOLD_SECONDS), so its transaction was undone."
            )
        return exc

    @contextmanager
    def kept(self, connection: BaseDatabaseWrapper, seconds: float | None = None) -> Iterator[None]:
        """Hold the lock in the block, over several transactions; wait for it for so many seconds at most.

        Raises StoreBusy.
        """
        if self._kept == 0:
            self._take_for_long(connection, settings.WRITE_LOCK_WAIT_SECONDS if seconds is None else seconds)
        raw = connection.connection
        self._kept += 1
        try:
            yield
        finally:
            if connection.connection is raw:
                self._kept -= 1
                if self._kept == 0 and not raw.closed:
                    with connection.wrap_database_errors:
                        raw.execute(who.GIVE_BACK)

    def keeps_writer_out(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether this connection holds the lock."""
        status = connection.connection.pgconn.transaction_status
        is_in_transaction = status not in {TransactionStatus.IDLE, TransactionStatus.UNKNOWN}
        return bool(self._kept) or (self._is_held and is_in_transaction)

    def leave_for_writer(self, connection: BaseDatabaseWrapper) -> bool:
        """End a transaction that has changed nothing, until `come_back`; return whether that was possible.

        Raises psycopg.Error.
        """
        raw = connection.connection
        status = raw.pgconn.transaction_status
        if self._kept or status not in {TransactionStatus.IDLE, TransactionStatus.INTRANS}:
            return False
        if status == TransactionStatus.INTRANS:
            if self._savepoints.are_open:
                return False
            if self._is_held and not raw.execute(who.CHANGED_NOTHING).fetchone()[0]:
                return False
            raw.commit()
        raw.autocommit = self.is_left = True
        return True

    def come_back(self, connection: BaseDatabaseWrapper) -> None:
        """Have the next statement begin the transaction anew."""
        self.is_left = False
        if not connection.connection.closed:
            connection.connection.autocommit = False

    def _take_for_long(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        raw = connection.connection
        with connection.wrap_database_errors, raw.cursor() as cursor:
            cursor.execute(
                f"SELECT set_config('application_name', %s, false); {who.TRY_FOR_LONG}",
                [who.application_name()],
            )
            cursor.nextset()
            if cursor.fetchone()[0]:
                return
            with raw.transaction():
                self._wait(connection, cursor, seconds, lock=who.WAIT_FOR_LONG)


def _limit_seconds() -> float | None:
    """Return how long what is under way may hold the lock: a request for so long, all else as it takes."""
    is_request = purpose.request_in_hand.get() is not None
    return settings.WRITE_LOCK_HOLD_SECONDS or None if is_request else None


def _limits() -> str:
    """Return what a transaction begins with: in a web process it may write, and for so long."""
    seconds = _limit_seconds()
    if seconds is None:
        return "SET TRANSACTION READ WRITE; "
    # The server ends what is late: it cancels a statement, and closes the connection of an idle transaction.
    limit = f"{seconds * 1000:.0f}"
    return (
        f"SET TRANSACTION READ WRITE; SET LOCAL statement_timeout = {limit}; "
        f"SET LOCAL idle_in_transaction_session_timeout = {limit}; "
    )
