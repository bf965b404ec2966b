"""Which guards hold a store lock in this thread, so that nothing stays held when the thread ends."""

import threading
import weakref
from typing import Protocol


class Holds(Protocol):
    """What holds the lock; workers/store/lock/guard.py."""

    @property
    def lock(self) -> object: ...

    def abandon(self) -> None: ...


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
