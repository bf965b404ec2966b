"""Lanes: calls that block, made in threads of their own, so that they stop no event loop.

SQLite at a long read, and the hashing of a password, let go of the interpreter's lock meanwhile.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

from workers.event_loop.fibers import in_fiber, sleep_until_done

T = TypeVar("T")

NICENESS = 10
"""The threads take what is left of the CPU: who waits for one of them waits for long work anyway."""

SHORT_CALLS_AT_ONCE = 32
SHORT_CALLS_WAIT_SECONDS = 2.0


def _give_way(niceness: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


class Busy(Exception):
    """No thread was free in time."""


class Lane:
    """One kind of blocking calls: at most `threads` of them at once, the others wait for their turn."""

    def __init__(self, *, threads: int = 1, most_waiting: int = 1_000, niceness: int = NICENESS) -> None:
        self._threads = threads
        self._most_waiting = most_waiting
        self._niceness = niceness
        self._started()
        _lanes.append(self)

    def _started(self) -> None:
        self._counting = threading.Lock()
        self._unfinished = 0
        # Threads begin with the first call, and end with the process.
        self._executor = ThreadPoolExecutor(self._threads, initializer=partial(_give_way, self._niceness))

    def run(self, function: Callable[[], T], *, within_seconds: float) -> T:
        """Return what the function returns, or raise what it raises. Raises Busy if it cannot begin in time.

        The function runs in a thread: it may not use a database connection of the caller's thread, unless
        the caller hands it over.
        """
        with self._counting:
            if self.is_full():
                raise Busy
            self._unfinished += 1
        try:
            call = self._executor.submit(function)
            try:
                if not _is_done(call, within_seconds) and call.cancel():
                    raise Busy
                _wait_until_done(call)
            except BaseException:
                # The request is over, and with it goes what the thread works with: it has to finish first.
                if not call.cancel():
                    wait([call])
                raise
        finally:
            with self._counting:
                self._unfinished -= 1
        return call.result()

    def is_full(self) -> bool:
        """Return whether one more call would be Busy at once."""
        return self._unfinished - self._threads >= self._most_waiting


_lanes: list[Lane] = []


def _forget_threads() -> None:
    """A forked child has none of its parent's threads."""
    for lane in _lanes:
        lane._started()


os.register_at_fork(after_in_child=_forget_threads)

_short_calls = Lane(threads=SHORT_CALLS_AT_ONCE, niceness=0)


def beside_loop(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Make a call that waits a little for the network: in a fiber beside the loop, else where it stands."""
    if not in_fiber():
        return function(*arguments, **options)
    call = partial(function, *arguments, **options)
    return _short_calls.run(call, within_seconds=SHORT_CALLS_WAIT_SECONDS)


def _is_done(call: Future[Any], seconds: float) -> bool:
    if not in_fiber():
        wait([call], timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))
        return call.done()
    copy = asyncio.wrap_future(call)
    copy.add_done_callback(_retrieve)
    return sleep_until_done(copy, min(seconds, 86_400.0))


def _retrieve(copy: asyncio.Future[Any]) -> None:
    """Keep asyncio from telling of an error that the call itself is asked for."""
    if not copy.cancelled():
        copy.exception()


def _wait_until_done(call: Future[Any]) -> None:
    while not call.done():
        _is_done(call, 86_400.0)
