"""Which guards hold a store lock in this thread, so that nothing stays held when the thread ends."""

import os
import threading
import weakref
from typing import Protocol

from workers.event_loop.fibers import in_fiber
from workers.exceptions import StoreBusy
from workers.store.lock.store_lock import StoreLock


class Holds(Protocol):
    """What holds the lock; workers/store/lock/guard.py."""

    @property
    def lock(self) -> StoreLock: ...

    def abandon(self) -> None: ...

    def is_left_to_parent(self) -> bool: ...


# Weak, because a connection that is dropped ends its transaction too.
Guards = weakref.WeakSet[Holds]


class _Holding:
    """The guards of one thread that hold a lock. When the thread ends, their transactions are nobody's."""

    def __init__(self) -> None:
        self.guards = Guards()

    def __del__(self) -> None:
        # Django's connection is no more than garbage by then, but may stay so for hours.
        for guard in list(self.guards):
            guard.abandon()


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.holding = _Holding()


_of_thread = _OfThread()


def of_thread() -> Guards:
    """Return the guards by which the calling thread holds locks."""
    return _of_thread.holding.guards


def give_back(guard: Holds, guards: Guards, by: object) -> None:
    """Give back the lock that one of these guards has, or was about to have; `by`: as what it has asked.

    Whatever a signal raises meanwhile: Ctrl-C in a shell, or the time limit of a task.
    """
    try:
        _give_back(guard, guards, by)
    except BaseException:
        _give_back(guard, guards, by)
        raise


def _give_back(guard: Holds, guards: Guards, by: object) -> None:
    guards.discard(guard)
    guard.lock.release(by)


def refuse_to_wait_for_oneself(lock: StoreLock) -> None:
    """Raise StoreBusy when the calling thread holds this lock by another connection."""
    if not in_fiber() and any(guard.lock is lock for guard in list(of_thread())):
        raise StoreBusy(
            f"This thread itself writes {lock.store}, through another connection: two aliases in "
            "DATABASES are one file. End the other transaction first, or use one alias."
        )


def _leave_to_parent() -> None:
    """Keep open, in a process that was forked, what its thread writes in its parent."""
    for guard in list(of_thread()):
        guard.is_left_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
