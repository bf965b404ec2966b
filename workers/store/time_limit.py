"""Cut off a write that hangs.

An interval timer (SIGALRM) interrupts Python code; a progress handler on the writer's connection interrupts
SQL, during which Python sees no signals. Code that hangs elsewhere in C is beyond reach: there the watchdog
of `manage.py up` kills the writer, and the entry's delivery count tells which write it was.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_SECONDS = 0.5
"""The alarm repeats, in case a write function catches everything and goes on."""

MOMENT_SECONDS = 0.001
"""For a timer whose time is over already: 0 would end it."""

PROGRESS_INSTRUCTIONS = 20_000
"""SQLite's instructions between two looks at the clock: well under a millisecond."""

_deadline: float | None = None


class WriteTimedOut(BaseException):
    """The write took longer than WRITE_TIME_LIMIT_SECONDS.

    Not an Exception, so that a write function's own `except Exception` does not swallow it.
    """


def is_over() -> bool:
    """Return whether the current write's time is over. SQLite's progress handler in the writer."""
    return _deadline is not None and time.monotonic() >= _deadline


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise WriteTimedOut in the block once `seconds` have passed; 0 is no limit.

    To be used inside the savepoint, never around it: an alarm at the last moment must still undo the write.
    Works in the main thread only, which is where Celery's solo pool runs its tasks.
    """
    global _deadline
    if seconds <= 0 or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, _time_out)
    _deadline = time.monotonic() + seconds
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        yield
        if is_over():
            raise WriteTimedOut  # it swallowed the interruption of its SQL
    finally:
        _deadline = None  # first: an alarm between here and the next line must not be raised
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:  # somebody else's, such as that of pytest-timeout
            signal.setitimer(
                signal.ITIMER_REAL, max(MOMENT_SECONDS, left + started - time.monotonic()), interval
            )


def _time_out(number: int, frame: FrameType | None) -> None:
    if _deadline is not None:
        raise WriteTimedOut
