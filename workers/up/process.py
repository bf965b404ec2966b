"""A process of the service: what to run, when it is ready, and what to do when it ends."""

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process to keep running."""

    name: str
    """What its lines of output are prefixed with."""
    command: Sequence[str]
    """Program and arguments."""
    is_ready: Callable[[int], bool]
    """Whether the process with this id does its work. Called often; must return within half a second."""
    ready_seconds: float = 15
    """How long the next process waits for this one."""
    grace_seconds: float = 10
    """How long it may take to stop after SIGTERM, before SIGKILL."""
    hidden_output: re.Pattern[str] | None = None
    """Lines that contain this are not shown: a process says them at every start, and nobody needs them."""
    watchdog_seconds: float | None = None
    """How long it may go without saying that it makes progress, by sd_notify(3), before it is killed and
    started again; None when it says nothing of the kind."""
    boot_seconds: float = 60
    """How long it may take until it says so first."""
    is_held_up: Callable[[], bool] = lambda: False
    """Whether something else keeps it from making progress, which a new start would not help. Asked when its
    time is over; must return within a second."""


class BackOff:
    """How long to wait before a process that has ended is started again."""

    FIRST_SECONDS = 0.1
    LONGEST_SECONDS = 5.0
    #: A process that ran as long as this is stable: its next exit counts as the first.
    STABLE_SECONDS = 30.0

    def __init__(self) -> None:
        self._exits = 0

    def after(self, ran_seconds: float) -> float:
        """Return the seconds to wait: 0 after the first exit, then 0.1, twice as long each time, up to 5."""
        if ran_seconds >= self.STABLE_SECONDS:
            self._exits = 0
        self._exits += 1
        if self._exits == 1:
            return 0.0
        # The exponent is bounded too: after days of exits it would overflow.
        return min(self.LONGEST_SECONDS, self.FIRST_SECONDS * 2.0 ** min(self._exits - 2, 16))


def describe_exit(status: int) -> str:
    """Return a `returncode` of `subprocess` in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
