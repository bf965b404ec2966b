"""Bells: one caller sleeps until another one wakes it, whether it is a thread or a fiber on an event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from workers.event_loop.fibers import in_fiber, wait_for

before_sleep: list[Callable[[], None]] = []
"""Called by a caller that is about to sleep: it may leave to others what it need not keep meanwhile."""


class Bell(Protocol):
    """Wakes one sleeper. One that rings while nobody sleeps ends the next sleep at once."""

    def ring(self) -> None:
        """Wake the sleeper. May be called from any thread."""

    def sleep(self, seconds: float) -> None:
        """Sleep until it rings, for so long at most."""


def new_bell() -> Bell:
    """Return a bell for the caller of this function to sleep by."""
    return FiberBell() if in_fiber() else ThreadBell()


class ThreadBell:
    """Wakes a thread."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        try:
            self._silence.release()
        except RuntimeError:
            return  # it has rung, and nobody has slept since

    def sleep(self, seconds: float) -> None:
        if self._silence.acquire(blocking=False):
            return
        for prepare in before_sleep:
            prepare()
        self._silence.acquire(timeout=max(0.0, seconds))


class FiberBell:
    """Wakes a fiber, by a turn of its loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._has_rung = False
        self._sleeper: asyncio.Future[None] | None = None

    def ring(self) -> None:
        if threading.get_ident() == self._thread:
            self._wake()
        else:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._has_rung = True
        self._end()

    def _end(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def sleep(self, seconds: float) -> None:
        if not self._has_rung and seconds > 0:
            for prepare in before_sleep:
                prepare()
            self._sleeper = self._loop.create_future()
            timer = self._loop.call_later(seconds, self._end)
            try:
                wait_for(self._sleeper)
            finally:
                timer.cancel()
                self._sleeper = None
        self._has_rung = False
