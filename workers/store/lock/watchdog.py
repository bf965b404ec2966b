"""Looks after requests that hold the store lock for too long. One thread in each process that serves any."""

import logging
import os
import threading
import time
import weakref
from typing import Protocol

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25

SLOW_SECONDS = 1.0
"""A request that held the lock for longer says so itself."""


class Watched(Protocol):
    """What holds the lock; workers/store/lock/guard.py."""

    @property
    def is_held(self) -> bool: ...

    @property
    def is_late(self) -> bool: ...

    def cut_off(self) -> None: ...


class Watchdog:
    """Cuts off what is late. Sleeps while nothing is held."""

    def __init__(self) -> None:
        self._watched: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()

    def watch(self, guard: Watched) -> None:
        """Look after this one while it holds the lock."""
        with self._mutex:
            self._watched.add(guard)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._look_after_all, name="store lock watchdog", daemon=True
                )
                self._thread.start()
        self._is_needed.set()

    def forget(self) -> None:
        """Begin anew in a process that was forked, to which threads do not come along."""
        self.__init__()  # type: ignore[misc]  # all of it, the mutex too

    def _look_after_all(self) -> None:
        while True:
            self._is_needed.wait()
            time.sleep(LOOK_SECONDS)
            with self._mutex:
                watched = list(self._watched)
                holding = [guard for guard in watched if guard.is_held]
                if not holding:
                    self._watched.clear()
                    self._is_needed.clear()
            for guard in holding:
                if guard.is_late:
                    try:
                        guard.cut_off()
                    except Exception:  # the thread must outlive it; the next look tries again
                        logger.exception("store-lock state=not-cut-off")


watchdog = Watchdog()
os.register_at_fork(after_in_child=watchdog.forget)


def tell_if_slow(holder: str, since: float) -> None:
    """Log that a request held the lock for long, up to now; `since` by the monotonic clock."""
    if (seconds := time.monotonic() - since) > SLOW_SECONDS:
        logger.warning("store-lock state=slow-holder holder=%r seconds=%.1f", holder, seconds)
