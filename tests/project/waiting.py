"""Waiting for what other processes do, within a deadline."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], *, within_seconds: float = 15.0) -> bool:
    """Return True as soon as the condition holds, False when it has not within the time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True
