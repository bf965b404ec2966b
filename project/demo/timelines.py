"""When each of two sessions worked, waited and held the lock: what the picture of them is drawn from."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Doing(StrEnum):
    """What a session or the writer does for a while."""

    WORKS = "works"
    """Between two statements, as while another service responds. It holds no lock."""
    WAITS = "waits"
    """For the lock, or for the writer."""
    HOLDS = "holds"
    """The write lock of the file, whatever else it does meanwhile."""


Note = Callable[[str, Doing | None], None]
"""Notes what somebody does from now on; None for nothing more."""


def unnoted(who: str, doing: Doing | None) -> None:
    """Note nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What somebody did for a while, in seconds from the first note."""

    who: str
    doing: Doing
    begins: float
    ends: float


class Timeline:
    """Keeps what is noted, by any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._notes: list[tuple[float, str, Doing | None]] = []

    def note(self, who: str, doing: Doing | None) -> None:
        with self._lock:
            self._notes.append((self._clock(), who, doing))

    def spans(self) -> list[Span]:
        """Return who did what and when, in the order in which it began. What was not ended is left out."""
        return sorted(self._spans(), key=lambda span: span.begins)

    def _spans(self) -> Iterator[Span]:
        start = self._notes[0][0] if self._notes else 0.0
        under_way: dict[str, tuple[float, Doing]] = {}
        for moment, who, doing in self._notes:
            if who in under_way:
                began, former = under_way.pop(who)
                yield Span(who=who, doing=former, begins=began - start, ends=moment - start)
            if doing is not None:
                under_way[who] = (moment, doing)
