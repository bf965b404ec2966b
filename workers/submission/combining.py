"""Who sends for whom: requests that submit at the same moment share round trips to Redis.

The first one in sends for all that arrive until it sends. While its reply is awaited others begin round trips
of their own, as soon as enough writes wait. Then the sender goes on, or hands the lead to one of those that
wait. `Combiner` is the bookkeeping, without locks, clocks or Redis; `Lead` lets threads use it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Sleeper(Protocol):
    """Whoever can be woken."""

    def wake(self) -> None: ...


T = TypeVar("T")
S = TypeVar("S", bound=Sleeper)

SENDERS = 3
"""Round trips under way at once. Under load a reply is read late, when its greenlet runs again; writes that
waited for that would leave the writer idle."""

SHARED_AT = 8
"""Writes that wait from which another round trip pays."""

APPENDS_AT_ONCE = 200
"""Writes in one round trip; keeps the script short, because Redis does nothing else while it runs."""


class Combiner(Generic[T]):
    """The submissions that are not sent yet, and who is to send them."""

    def __init__(self) -> None:
        self._unsent: deque[T] = deque()
        self._senders = 0
        self._waiting: set[T] = set()
        """Whose callers wait at this moment, so that they can be asked to send for all."""
        self._leaders: set[T] = set()
        """Who of them is asked to."""

    def add(self, submission: T) -> bool:
        """Line a submission up, and return whether its caller is to send now."""
        self._unsent.append(submission)
        leads = not self._senders or (self._senders < SENDERS and len(self._unsent) >= SHARED_AT)
        self._senders += leads
        return leads

    def take(self) -> list[T]:
        """Return what the next round trip sends; nothing when others have sent it meanwhile."""
        return [self._unsent.popleft() for _ in range(min(APPENDS_AT_ONCE, len(self._unsent)))]

    def take_all(self) -> list[T]:
        """Return all that is unsent, for a sender whose round trip has failed."""
        unsent = list(self._unsent)
        self._unsent.clear()
        return unsent

    def hand_on(self) -> tuple[bool, T | None]:
        """Return whether a sender is done after its round trip, and whom to wake to send what is left.

        Nobody need be woken when nothing is left. While nobody waits who could be asked, it is not done.
        """
        if not self._unsent:
            self._senders -= 1
            return True, None
        # The lead goes to a caller that waits, because only that one is sure to act on it: others may have
        # gone to do something else, or have got their outcome from an earlier write with the same key. Once
        # to each: a second lead would be forgotten, and its place among the senders lost.
        for submission in self._unsent:
            if submission in self._waiting and submission not in self._leaders:
                self._leaders.add(submission)
                return True, submission
        return False, None

    def begin_waiting(self, submission: T) -> None:
        """Note that the submission's caller waits from now on."""
        self._waiting.add(submission)

    def take_lead(self, submission: T) -> bool:
        """Return whether the submission's caller is asked to send; it then has to."""
        if submission not in self._leaders:
            return False
        self._leaders.remove(submission)
        return True

    def end_waiting(self, submission: T) -> bool:
        """Note that its caller waits no longer; return whether it is asked to send, which it then has to."""
        self._waiting.discard(submission)
        return self.take_lead(submission)


class Lead(Generic[S]):
    """Has one caller send for all that are unsent, by `send`, which must not raise."""

    def __init__(self, send: Callable[[Sequence[S]], None]) -> None:
        self._send = send
        self._mutex = threading.Lock()
        self._combiner: Combiner[S] = Combiner()

    def add(self, submission: S) -> None:
        """Line a submission up, and send it unless others do."""
        with self._mutex:
            leads = self._combiner.add(submission)
        if leads:
            self._lead()

    @contextmanager
    def waiting(self, submission: S) -> Iterator[None]:
        """Let this submission's caller be asked to send while it waits; it never leaves with the lead."""
        with self._mutex:
            self._combiner.begin_waiting(submission)
        try:
            yield
        finally:
            with self._mutex:
                leads = self._combiner.end_waiting(submission)
            if leads:
                self._lead()

    def take(self, submission: S) -> bool:
        """Send if this submission's caller is asked to; return whether it was."""
        with self._mutex:
            leads = self._combiner.take_lead(submission)
        if leads:
            self._lead()
        return leads

    def take_all(self) -> list[S]:
        """Return all that is unsent, for a sender whose round trip has failed."""
        with self._mutex:
            return self._combiner.take_all()

    def _lead(self) -> None:
        """Send what is unsent, until somebody else can or nothing is left."""
        while True:
            with self._mutex:
                batch = self._combiner.take()
            if batch:  # else others have sent it since the lead was handed on
                self._send(batch)
            with self._mutex:
                is_done, heir = self._combiner.hand_on()
            if heir is not None:
                heir.wake()
            if is_done:
                return
