"""Calls that block, made in a thread of their own where the process runs an event loop.

Under gevent one thread serves all requests of a process, so SQLite at a long read, or the hashing of a
password, stops everybody. Both let go of the interpreter's lock. Elsewhere the call is made where it stands.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

# Who patches does so before anything else is imported: see workers/web/gunicorn_conf.py.
_monkey = sys.modules.get("gevent.monkey")
_IS_PATCHED = _monkey is not None and bool(_monkey.is_module_patched("threading"))
if _IS_PATCHED:
    from gevent.lock import Semaphore
    from gevent.threadpool import ThreadPool

T = TypeVar("T")

NICENESS = 10
"""The threads take what is left of the CPU: who waits for one of them waits for long work anyway."""


class Busy(Exception):
    """No thread was free in time."""


def is_needed() -> bool:
    """Return whether a call that blocks would stop others of this process."""
    return _IS_PATCHED


class Lane:
    """One kind of blocking calls: at most `threads` of them at once, the others wait for their turn."""

    def __init__(self, *, threads: int = 1, most_waiting: int = 1_000) -> None:
        self._threads = threads
        self._most_waiting = most_waiting
        self._waiting = 0
        self._pool: Any = None
        self._free: Any = None

    def run(self, function: Callable[[], T], *, within_seconds: float) -> T:
        """Return what the function returns, or raise what it raises. Raises Busy.

        The function may not use what belongs to the event loop: no socket, no lock, no database of Django's.
        """
        if not is_needed():
            return function()
        if self._pool is None:
            self._begin()
        self._take_a_thread(within_seconds)
        try:
            value, error = self._wait_for(self._pool.spawn(_outcome_of, function))
        finally:
            self._free.release()
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]  # what the function returned

    def is_full(self) -> bool:
        """Return whether one more call would be Busy at once."""
        return self._waiting >= self._most_waiting

    def _take_a_thread(self, within_seconds: float) -> None:
        if self.is_full():
            raise Busy
        self._waiting += 1
        try:
            if not self._free.acquire(timeout=max(0.0, within_seconds)):
                raise Busy
        finally:
            self._waiting -= 1

    def _begin(self) -> None:
        self._free = Semaphore(self._threads)
        self._pool = ThreadPool(self._threads)

    @staticmethod
    def _wait_for(result: Any) -> Any:
        try:
            return result.get()
        except BaseException:
            # The request is over, and with it goes what the thread still works with: it has to finish first.
            result.wait()
            raise


def _outcome_of(function: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Call the function in the thread. What it raises is returned: gevent would print it."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    try:
        return function(), None
    except BaseException as exc:
        return None, exc
