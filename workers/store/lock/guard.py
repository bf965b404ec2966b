"""One connection's way to the store lock: it only reads until it holds the lock, for one transaction.

Held from before BEGIN until SQLite itself says that no transaction is open any more, so it does not matter
who ended it: `atomic`, a COMMIT that was typed, or SQLite. A single write is a transaction by itself.
"""

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from django.db import OperationalError

from workers.conf import settings
from workers.exceptions import StoreBusy, TransactionTimedOut, WrongStore
from workers.store import fence, pragmas, store_file, wal
from workers.store.lock import purpose
from workers.store.lock.store_lock import OnWait, StoreLock
from workers.store.lock.watchdog import watchdog
from workers.store.roles import Role, current_role

logger = logging.getLogger(__name__)

T = TypeVar("T")

SLOW_SECONDS = 1.0
"""A request that held it for longer says so itself."""

_WRITING = re.compile(
    r"\s*(BEGIN|SAVEPOINT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|VACUUM|REINDEX|ANALYZE)\b", re.I
)
"""How statements begin that write, or open a transaction in which something may. Others that write are known
by SQLite's refusal, and tried again with the lock; after BEGIN that would be too late, because what was read
before the lock was taken may be out of date: https://www.sqlite.org/isolation.html."""


class Guard:
    """Of one Django connection. Used by its thread, and by the watchdog."""

    on_wait: OnWait | None = None

    def __init__(self, lock: StoreLock) -> None:
        self.lock = lock
        self.raw: Any = None
        """SQLite's connection, which Django closes and replaces."""
        self.held_since: float | None = None
        """By the monotonic clock; None while this connection does not hold the lock."""
        self._purpose = ""
        self._kept = 0
        self._is_prepared = False
        self._file: store_file.FileId | None = None
        self._refusal: OperationalError | None = None
        """Why nothing may run before the transaction, which is no more, is rolled back."""
        self._mutex = threading.RLock()
        """Held while a statement runs, so that the watchdog never ends a transaction beneath one."""

    def __del__(self) -> None:
        # Its thread ended in the middle of a transaction, which ends with the connection.
        if self.held_since is not None:
            self.lock.release()

    @property
    def is_held(self) -> bool:
        return self.held_since is not None

    def opened(self, raw: sqlite3.Connection) -> None:
        """Guard a new SQLite connection. Raises WrongStore and sqlite3.Error."""
        self.raw, self._is_prepared, self._refusal = raw, False, None
        self._file = store_file.file_id(self.lock.store)
        if self.held_since is not None and not self._make_writable():
            self._turn_log_on()

    def writes(self, sql: str) -> bool:
        """Return whether a statement is to be run with the lock, as far as its beginning tells."""
        return self.held_since is not None or self._refusal is not None or _WRITING.match(sql) is not None

    def run(self, statement: Callable[[], T]) -> T:
        """Run a statement with the lock; give it back unless that leaves a transaction open.

        Raises StoreBusy, TransactionTimedOut, WrongStore and sqlite3.Error.
        """
        with self._mutex:
            self._refuse()
            if self.held_since is None:
                self._take(settings.WRITE_LOCK_WAIT_SECONDS)
            was_open = self._is_in_transaction()
            try:
                return statement()
            except sqlite3.Error as exc:
                if was_open and not self._is_in_transaction():
                    self._refusal = self._refusal or OperationalError(f"SQLite undid the transaction: {exc}")
                raise self._explained(exc) from exc
            finally:
                self._see_late(was_open)
                self._give_back_if_done()

    def end(self, call: Callable[[], T]) -> T:
        """Commit."""
        with self._mutex:
            self._refuse()
            try:
                done = call()
                self._refusal = None  # it came too late
                return done
            finally:
                self._see_late(was_open=True)
                self._give_back_if_done()

    def undo(self, call: Callable[[], T]) -> T:
        """Roll back, or close."""
        with self._mutex:
            self._refusal = None
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
        limit, since = settings.WRITE_LOCK_HOLD_SECONDS, self.held_since
        return bool(limit) and since is not None and time.monotonic() - since > limit

    def cut_off(self) -> None:
        """Undo a transaction that is late, so that others can write, whatever its thread is doing."""
        if self._refusal is None:
            logger.error("store-lock state=cut-off holder=%r", self._purpose)
            self._refusal = TransactionTimedOut(
                f"{self._purpose} held the store lock for more than {settings.WRITE_LOCK_HOLD_SECONDS:g} s "
                "(WRITE_LOCK_HOLD_SECONDS), so its transaction was undone."
            )
        if not self._mutex.acquire(blocking=False):
            self.raw.interrupt()  # the statement that runs; its thread then does what follows
            return
        try:
            self._see_late(was_open=True)
            self._give_back_if_done()
        finally:
            self._mutex.release()

    # Taking and giving back, with the mutex held. Whatever can be done without the lock is done before and
    # after it, because each call into SQLite or the system may take 5 ms: see record.py.

    def _take(self, seconds: float) -> None:
        fence.refuse_transaction(self)
        self._purpose = purpose.current()
        try:
            with fence.lowered():
                is_ready = self.raw is None or self._make_writable()
                self.lock.acquire(self._purpose, seconds=seconds, on_wait=self.on_wait)
                self.held_since = time.monotonic()
                if not is_ready:
                    self._turn_log_on()
        except BaseException:
            self._give_back()
            raise
        if purpose.request_in_hand.get() is not None:
            watchdog.watch(self)

    def _make_writable(self) -> bool:
        """Let the connection write; return whether nothing is left to be done with the lock held."""
        if current_role() is not Role.WRITER:  # who watches the file by itself
            self._refuse_replaced_file()
            self.raw.execute("PRAGMA query_only = 0")
        if self._is_prepared:
            return True
        store_file.refuse_unsafe(self.lock.store, self.lock.mark())
        self._is_prepared = pragmas.is_log_on(self.raw)
        if self._is_prepared:
            pragmas.apply(self.raw, pragmas.for_writing())
            self._is_prepared = self.lock.mark().is_of_same_files(store_file.mark_of(self.lock.store))
        return self._is_prepared

    def _turn_log_on(self) -> None:
        was_on = pragmas.is_log_on(self.raw)
        pragmas.make_writable(self.raw, settings.WRITE_LOCK_WAIT_SECONDS)
        self._is_prepared = True
        former, mark = self.lock.mark(), store_file.mark_of(self.lock.store)
        if was_on and former.store == mark.store:
            # Only who changes the file says so: a foreign change must not be covered up.
            mark = replace(mark, content=former.content)
        self.lock.leave_mark(mark)

    def _refuse_replaced_file(self) -> None:
        found = store_file.file_id(self.lock.store)
        if self._file is None:
            self._file = found  # made since
        elif found != self._file:
            raise WrongStore(store_file.replaced(self.lock.store))

    def _give_back_if_done(self) -> None:
        if self.held_since is not None and not self._kept and not self._is_in_transaction():
            self._give_back()

    def _give_back(self) -> None:
        since, self.held_since = self.held_since, None
        if since is not None:
            self.lock.release()
        if current_role() is not Role.WRITER and self._is_open():
            with fence.lowered():
                wal.checkpoint_for_want_of_a_writer(self.lock, self.raw)
                self.raw.execute("PRAGMA query_only = 1")
        if since is None or purpose.request_in_hand.get() is None:
            return  # a migration may take its time, and is named to those who wait
        if (seconds := time.monotonic() - since) > SLOW_SECONDS:
            logger.warning("store-lock state=slow-holder holder=%r seconds=%.1f", self._purpose, seconds)

    def _is_open(self) -> bool:
        try:
            return self.raw is not None and self.raw.total_changes >= 0
        except sqlite3.ProgrammingError:
            return False

    def _is_in_transaction(self) -> bool:
        # SQLite's own word: Django does not know of a BEGIN that was typed.
        try:
            return self.raw is not None and self.raw.in_transaction
        except sqlite3.ProgrammingError:  # closed
            return False

    def _refuse(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _see_late(self, was_open: bool) -> None:
        """Undo a transaction that the watchdog has found late."""
        if self._refusal is None:
            return
        if self._is_in_transaction():
            self.raw.rollback()
        elif not was_open:
            self._refusal = None  # a single write: it is done, or has failed, as a whole

    def _explained(self, exc: sqlite3.Error) -> Exception:
        if isinstance(self._refusal, TransactionTimedOut):
            return self._refusal
        if (getattr(exc, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY:
            return StoreBusy(
                f"{self.lock.store} is locked by a program that does not take the store lock ({exc}). "
                "`manage.py doctor` names who has it open."
            )
        return exc
