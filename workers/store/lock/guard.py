"""One connection's way to the store lock, before it writes, for one transaction.

Held from before BEGIN until SQLite itself says that no transaction is open any more, so it does not matter
who ended it: `atomic`, a COMMIT that was typed, or SQLite. A single write is a transaction by itself.
"""

import logging
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.db import OperationalError

from workers.conf import settings
from workers.store import fence, store_file, wal
from workers.store.lock import errors, holding, purpose, statements
from workers.store.lock.interlude import Interlude
from workers.store.lock.raw_connection import RawConnection
from workers.store.lock.store_lock import AT_ONCE_SECONDS, StoreLock
from workers.store.lock.waiting import OnWait, Place
from workers.store.lock.watchdog import tell_if_slow, watchdog
from workers.store.roles import Role, current_role

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Guard:
    """Of one Django connection. Used by its thread, and by the watchdog."""

    on_wait: OnWait | None = None

    def __init__(self, lock: StoreLock) -> None:
        self.lock = lock
        self.connection = RawConnection(lock)
        self.interlude = Interlude(self.connection)
        self.held_since: float | None = None
        """By the monotonic clock; None while this connection does not hold the lock."""
        self.cursors: weakref.WeakSet[Any] = weakref.WeakSet()
        """Of this connection, which may have rows to fetch."""
        self.is_left = False
        """Whether its transaction is ended for as long as its thread waits for the writer."""
        self._holding = holding.of_thread()
        self._place = Place()
        self._purpose = ""
        self._is_limited = False
        self._late: float | None = None
        """The `held_since` that the watchdog has found late."""
        self._kept = 0
        self._refusal: OperationalError | None = None
        """Why nothing may run before the transaction, which is no more, is rolled back."""
        self._mutex = threading.RLock()
        """Held while a statement runs, so that the watchdog never ends a transaction beneath one."""

    def __del__(self) -> None:
        self.abandon()

    def abandon(self) -> None:
        """End a transaction with which nobody can go on, without its thread or its connection."""
        if self.held_since is None or sys.is_finalizing() or self.is_left_to_parent():
            return
        self._kept = 0
        with suppress(sqlite3.Error):
            self.undo(self.raw.close)

    def is_left_to_parent(self) -> bool:
        """Return whether its transaction is one of the parent process; keep it open then."""
        if self.held_since is None or not self.connection.is_of_parent:
            return False
        self.connection.keep_open()
        return True

    @property
    def raw(self) -> Any:
        return self.connection.raw

    @property
    def is_held(self) -> bool:
        return self.held_since is not None

    @property
    def is_spoilt(self) -> bool:
        """Whether nothing may run before the transaction, which is no more, is rolled back."""
        return self._refusal is not None

    def opened(self, raw: sqlite3.Connection) -> None:
        """Guard a new SQLite connection. Raises WrongStore and sqlite3.Error."""
        self._refusal = None
        self.interlude.forget()
        if self.is_left_to_parent():
            self.held_since = None
            self._holding.discard(self)
        self.connection.opened(raw)
        if self.held_since is not None and not self.connection.make_writable():
            self.connection.turn_log_on()

    def writes(self, sql: str) -> bool:
        """Return whether a statement is to be run with the lock, as far as its beginning tells."""
        is_bound = self.held_since is not None or self._refusal is not None or self.interlude.is_over
        return is_bound or (statements.writes(sql) and not self.connection.has_log(sql))

    def run(self, statement: Callable[[], T], sql: str = "") -> T:
        """Run a statement with the lock; give it back unless that leaves a transaction open.

        Raises StoreBusy, TransactionTimedOut, WrongStore and sqlite3.Error.
        """
        with self._mutex:
            self._refuse(sql)
            if self.held_since is None:
                self._take(settings.WRITE_LOCK_WAIT_SECONDS)
            was_open = False
            try:
                self.interlude.begin_anew(sql, self.cursors)
                self.interlude.note(sql)
                was_open = self.connection.is_in_transaction
                return self.connection.on_present_rows(statement, self.cursors, sql)
            except sqlite3.Error as exc:
                if was_open and not self.connection.is_in_transaction:
                    self._refusal = OperationalError(f"SQLite undid the transaction: {exc}")
                raise errors.explained(exc, self.lock.store, self._purpose, self._late is not None) from exc
            finally:
                self._settle(was_open)

    def move_log(self, statement: Callable[[], T]) -> T:
        """Run a statement that moves the write-ahead log into the file. Raises what `run` does."""
        with self.kept():
            try:
                return self.run(statement)
            finally:
                self.lock.leave_mark(store_file.mark_of(self.lock.store))

    def end(self, call: Callable[[], T]) -> T:
        """Commit. Raises TransactionTimedOut."""
        with self._mutex:
            self._refuse()
            return self._finish(call)

    def switch(self, call: Callable[[], T]) -> T:
        """Turn autocommit on or off: on ends a transaction."""
        with self._mutex:
            return self._finish(call)

    def keeps_writer_out(self, _: object) -> bool:
        """Return whether this connection holds the lock."""
        return self.is_held

    def leave_for_writer(self, _: object) -> bool:
        """End a transaction that has changed nothing, until `come_back`; return whether that was possible.

        Raises sqlite3.Error.
        """
        with self._mutex:
            # One that does not hold the lock cannot have written.
            if self._refusal or self._kept or (self.is_held and not self.interlude.is_possible):
                return False
            self._finish(self.interlude.begin)
            self.is_left = True
        return True

    def come_back(self, _: object) -> None:
        """Have the next statement begin the transaction anew."""
        self.is_left, self.interlude.is_over = False, True

    def _finish(self, call: Callable[[], T]) -> T:
        self.interlude.forget()
        try:
            return call()
        finally:
            self._settle(was_open=self.connection.is_in_transaction)

    def undo(self, call: Callable[[], T]) -> T:
        """Roll back, or close."""
        if self.is_left_to_parent():
            raise errors.of_parent()
        with self._mutex:
            self._refusal = None
            self.interlude.forget()
            try:
                return call()
            finally:
                self._give_back_if_done()

    @contextmanager
    def kept(self, seconds: float | None = None) -> Iterator[None]:
        """Hold the lock in the block, over several transactions; wait for it for so many seconds at most.

        Raises StoreBusy.
        """
        with self._mutex:
            if self.held_since is None:
                self._take(settings.WRITE_LOCK_WAIT_SECONDS if seconds is None else seconds)
            self._kept += 1
        try:
            yield
        finally:
            with self._mutex:
                self._kept -= 1
                self._give_back_if_done()

    # For the watchdog

    @property
    def is_late(self) -> bool:
        """Whether a request holds the lock past its limit."""
        return self._is_late(self.held_since)

    def _is_late(self, since: float | None) -> bool:
        limit = settings.WRITE_LOCK_HOLD_SECONDS if self._is_limited and not self._kept else 0
        return bool(limit) and since is not None and time.monotonic() - since > limit

    def cut_off(self) -> None:
        """Undo a transaction that is late, so that others can write, whatever its thread is doing."""
        since = self.held_since
        if not self._is_late(since):
            return
        if self._late != since:
            logger.error("store-lock state=cut-off holder=%r", self._purpose)
        self._late = since  # not just "late": its thread may be done with it before the next line
        if not self._mutex.acquire(blocking=False):
            self.raw.interrupt()  # the statement that runs; its thread then does what follows
            return
        try:
            self._settle(was_open=True)
        finally:
            self._mutex.release()

    # Taking and giving back, with the mutex held. Whatever can be done without the lock is done before and
    # after it, because each call into SQLite or the system may take 5 ms: see record.py.

    def _take(self, seconds: float) -> None:
        fence.refuse_transaction(self)
        holding.refuse_to_wait_for_oneself(self.lock)
        self._purpose, self._is_limited = purpose.current(), purpose.request_in_hand.get() is not None
        try:
            with fence.lowered():
                is_ready = self.raw is None or self.connection.make_writable()
                # The writer, whose batches only grow while it waits, lets everybody go first who is there. Of
                # those who come later nobody: it keeps its place while it tries again.
                own = self._place
                at_once, place = (0.0, own) if current_role() is Role.WRITER else (AT_ONCE_SECONDS, None)
                self.lock.acquire(
                    self._purpose, seconds=seconds, on_wait=self.on_wait, at_once=at_once, place=place, by=own
                )
                self.connection.note_process()
                self.held_since = time.monotonic()
                self._holding = holding.of_thread()
                self._holding.add(self)
                if not is_ready:
                    self.connection.turn_log_on()
        except BaseException as exc:
            self._give_back()
            errors.explain_no_lock(exc, self.lock.path)
            raise
        if self._is_limited:
            watchdog.watch(self)

    def _settle(self, was_open: bool) -> None:
        try:
            self._see_late(was_open)
        finally:
            self._give_back_if_done()

    def _give_back_if_done(self) -> None:
        if self.held_since is not None and not self._kept and not self.connection.is_in_transaction:
            self._give_back()

    def _give_back(self) -> None:
        since = self.held_since
        holding.give_back(self, self._holding, by=self._place)
        self.held_since = None
        if current_role() is not Role.WRITER and self.connection.is_open:
            with fence.lowered():
                wal.checkpoint_for_want_of_a_writer(self.lock, self.raw)
                self.connection.make_read_only()
        if since is not None and purpose.request_in_hand.get() is not None:
            tell_if_slow(self._purpose, since)  # a migration may take its time, and is named to who waits

    def _refuse(self, sql: str = "") -> None:
        if self.is_left_to_parent() and (not sql or statements.writes(sql)):
            raise errors.of_parent()
        if self._refusal is None:
            return
        if not statements.begins_anew(sql):
            raise self._refusal
        self._refusal = None

    def _see_late(self, was_open: bool) -> None:
        """Undo a transaction that the watchdog has found late. A single write is done, or failed, whole."""
        late, self._late = self._late, None
        if late is None or late != self.held_since or not was_open:
            return
        self._refusal = errors.timed_out(self._purpose)
        if self.connection.is_in_transaction:
            self.connection.roll_back(self.cursors)
