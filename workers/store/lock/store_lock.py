"""The store lock: whoever holds it writes the store now, for one transaction; nobody else does.

An exclusive `flock` on a file beside the store, so the operating system gives it back when its holder dies.

Who finds it taken queues with a ticket (tickets.py). For AT_ONCE_SECONDS a caller that runs and finds the
lock free may take it before one that sleeps and has to be woken: the lock would be idle meanwhile, and a
thread of Python waits up to 5 ms for the interpreter. From then on it is handed over: first come, first
served, over all processes. In each process one thread sleeps in the kernel for all who wait here, so that a
wait can have a limit, and does not stop an event loop.
"""

import fcntl
import os
import threading
import time
from collections import deque
from dataclasses import asdict
from functools import cache
from pathlib import Path

from workers.event_loop.bells import new_bell
from workers.exceptions import StoreBusy
from workers.store import flock
from workers.store.holder import Holder
from workers.store.lock import record, tickets
from workers.store.lock.lock_file import LockFile
from workers.store.lock.waiting import LOOK_SECONDS, Claim, OnWait, Place, WaitLog
from workers.store.store_file import Mark

AT_ONCE_SECONDS = 0.05
"""How long a caller may find others served before it. As long as a few commits take on a slow disk."""


class StoreLock:
    """The lock of one store, shared by all threads of the process. Holds it for one caller at a time."""

    def __init__(self, store: Path) -> None:
        """`store` is the real path of the store's file."""
        self.store = store
        self._file = LockFile(store)
        self.path = self._file.path
        self.checkpoint_at = 0.0
        """When to look at the size of the log again, by the monotonic clock."""
        # Reentrant, because a guard that is collected as garbage gives the lock back, whatever runs then.
        self._mutex = threading.RLock()
        self._changed = threading.Condition(self._mutex)
        self._waiting: deque[Claim] = deque()
        self._looked_at = 0.0
        self._held = -1
        """The descriptor by which this process holds the lock; -1 while it does not."""
        self._by: object = None
        """Who has it; noted before it is taken, because a signal may raise an exception in between."""
        self._thread: threading.Thread | None = None
        self._log = WaitLog()

    def acquire(
        self,
        purpose: str,
        *,
        seconds: float,
        on_wait: OnWait | None = None,
        at_once: float = AT_ONCE_SECONDS,
        place: Place | None = None,
        by: object = None,
    ) -> None:
        """Hold the lock; wait for it for so many seconds at most.

        `at_once`: for how many seconds others may have waited, and it is taken before them when free.
        `place`: the caller's, who waits on where a former call gave up. `by`: who is to name itself to
        `release`, also after an exception.
        Raises StoreBusy when the time is over, and OSError when the lock's file cannot be used.
        """
        place = place or Place()
        with self._mutex:
            if self._try(purpose, at_once, by):
                place.ticket = None
                return
            if seconds <= 0:
                raise StoreBusy(f"{self._file.noted_holder()} writes the store.")
            claim = self._queue(purpose, place.ticket, by)
            place.ticket = claim.ticket
        try:
            self._wait(claim, seconds, on_wait)
        except BaseException:
            self._give_up(claim)
            raise
        place.ticket = None

    def release(self, by: object = None) -> None:
        """Give the lock back, unless somebody else has it: to who is next, in this process or another."""
        with self._mutex:
            if self._by is not by or (self._held == -1 and by is None):
                return
            if self._held == self._file.descriptor and self._is_late() and self._pass_on():
                return
            self._free()

    def holder(self) -> Holder | None:
        """Return who holds the lock; None when nobody does. Raises OSError when that may not be looked at."""
        return self._file.holder()

    def mark(self) -> Mark:
        """Return which files were written last."""
        with self._mutex:
            self._look_at_file()
            return record.read_mark(self._file.shared())

    def leave_mark(self, mark: Mark) -> None:
        """Note which files this process writes, for whoever writes next. To be called by the holder."""
        with self._mutex:
            if record.read_mark(self._file.shared()) != mark:
                record.write(self._file.shared(), record.MARK, asdict(mark))

    def _try(self, purpose: str, at_once: float, by: object) -> bool:
        """Take the lock if it is free and nobody has waited for it for long."""
        if self._held != -1 or self._is_late():
            return False
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._look_at_file()
        if tickets.is_waiting(self._file.open(), for_seconds=at_once):
            return False
        # At once, also when the thread below has just got it for this process: the descriptor is the same.
        self._by = by
        if not flock.try_lock(self._file.descriptor):
            self._by = None
            return False
        self._hold(self._file.descriptor, purpose, by)
        return True

    def _is_late(self) -> bool:
        """Return whether somebody in this process has waited for long."""
        return bool(self._waiting) and tickets.age(self._waiting[0].ticket) > AT_ONCE_SECONDS

    def _look_at_file(self) -> None:
        """Use another file when this one was deleted or replaced: others lock that one by now."""
        if self._held != -1 or self._waiting:
            return
        self._looked_at = time.monotonic()
        if not flock.is_file(self._file.open(), self.path):
            self._leave_descriptor()

    def _hold(self, descriptor: int, purpose: str, by: object) -> None:
        self._by, self._held = by, descriptor
        record.write_holder(self._file.shared(), purpose)

    def _free(self) -> None:
        descriptor = self._file.descriptor if self._held == -1 else self._held
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._held, self._by = -1, None
        if descriptor != self._file.descriptor:
            os.close(descriptor)
        if self._waiting:
            self._changed.notify_all()

    # Waiting

    def _queue(self, purpose: str, former: int | None, by: object) -> Claim:
        if former is not None:  # else its ticket would be dropped once more when the thread comes past it
            self._waiting = deque(claim for claim in self._waiting if claim.ticket != former)
        claim = Claim(tickets.take(self._file.open(), former=former), new_bell(), purpose, by)
        self._waiting = deque(sorted([*self._waiting, claim], key=lambda each: each.ticket))
        if self._thread is None:
            self._begin_to_serve()
        self._changed.notify_all()
        return claim

    def _wait(self, claim: Claim, seconds: float, on_wait: OnWait | None) -> None:
        started = time.monotonic()
        seen: Holder | None = None
        while True:
            waited = time.monotonic() - started
            claim.bell.sleep(min(LOOK_SECONDS, seconds - waited))
            waited = time.monotonic() - started
            with self._mutex:
                if claim.is_granted:
                    return
                holder = self._file.noted_holder()
                if holder == seen and self._pass_by(claim):
                    return
                seen = holder
            if waited >= seconds:
                raise StoreBusy(
                    f"{holder} writes the store, and this waited for {waited:.0f} s. Nothing was written."
                )
            if waited >= LOOK_SECONDS:
                self._log.name(holder)
                if on_wait is not None:
                    on_wait(holder, tickets.age(claim.ticket))

    def _pass_by(self, claim: Claim) -> bool:
        """Take the lock although others are before, when it has been free without anybody taking it.

        Whoever is next may be stopped (Ctrl-Z), and must not stop everybody else.
        """
        if self._held != -1 or not flock.is_file(self._file.descriptor, self.path):
            return False  # of a file that was deleted the holder still has the lock
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        if not flock.try_lock(descriptor):
            os.close(descriptor)
            return False
        claim.is_over = True
        self._hold(descriptor, claim.purpose, claim.by)
        tickets.pass_over(descriptor, claim.ticket)
        self._queue_anew()
        return True

    def _queue_anew(self) -> None:
        """Leave the thread that waits for who is passed by, and have another one wait for the rest."""
        for claim in self._waiting:
            tickets.drop(self._file.descriptor, claim.ticket)
        self._leave_descriptor()
        self._waiting = deque(claim for claim in self._waiting if not claim.is_over)
        for claim in self._waiting:
            claim.ticket = tickets.take(self._file.open())
        if self._waiting:
            self._begin_to_serve()

    def _give_up(self, claim: Claim) -> None:
        with self._mutex:
            claim.is_over = True
            if not claim.is_granted:
                return
        self.release(claim.by)

    def _pass_on(self) -> bool:
        """Hand the lock to the next one of this process, unless another process asked before it."""
        while self._waiting and self._waiting[0].is_over:
            tickets.drop(self._file.descriptor, self._waiting.popleft().ticket)
        if not self._waiting or tickets.is_waiting(self._file.descriptor, before=self._waiting[0].ticket):
            return False
        claim = self._waiting.popleft()
        self._hold(self._file.descriptor, claim.purpose, claim.by)
        claim.is_granted = True
        # After the lock is taken: until then the ticket keeps others behind it.
        tickets.drop(self._file.descriptor, claim.ticket)
        try:
            claim.bell.ring()
        except RuntimeError:  # its event loop was closed, and it with it
            return self._pass_on()
        return True

    def _begin_to_serve(self) -> None:
        self._thread = threading.Thread(
            target=self._serve, args=(self._file.open(),), name="store lock", daemon=True
        )
        self._thread.start()

    def _leave_descriptor(self) -> None:
        """Use another one from now on. A thread that may be asleep in the kernel with it closes it then."""
        former = self._file.leave()
        if self._thread is None:
            os.close(former)
        self._thread = None
        self._changed.notify_all()

    def _serve(self, descriptor: int) -> None:
        """Wait in the kernel for the first of those who wait here, one after another."""
        while True:
            with self._changed:
                while self._is_mine() and (not self._waiting or self._held != -1):
                    self._changed.wait()
                if not self._is_mine():
                    break
                ticket = self._waiting[0].ticket
            tickets.wait(descriptor, ticket)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with self._mutex:
                if not self._is_mine():
                    break
                # Another thread may have held it since by the same descriptor, and given it back.
                if self._held == -1 and flock.try_lock(descriptor) and not self._pass_on():
                    self._held = descriptor
                    self._free()
        # Closing is not enough where a process was forked meanwhile, which has it open too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        tickets.drop_all(descriptor)
        os.close(descriptor)

    def _is_mine(self) -> bool:
        """Return whether it is still the calling thread that waits for all."""
        return self._thread is threading.current_thread()

    def forget(self) -> None:
        """Begin anew in a process that was forked: what it has inherited is its parent's."""
        for descriptor in {self._file.descriptor, self._held} - {-1}:
            os.close(descriptor)
        self.__init__(self.store)  # type: ignore[misc]  # all of it, the mutex too: a thread may have had it


@cache
def lock_of(store: Path) -> StoreLock:
    """Return the lock of the store with this real path, one for the process."""
    lock = StoreLock(store)
    os.register_at_fork(after_in_child=lock.forget)
    return lock
