"""One write on its way: what its caller holds, sleeps on, and is woken through."""

import threading
from typing import Protocol

from workers.stream.redis_stream import Append
from workers.writes import Outcome


class Sender(Protocol):
    """Whoever brings submissions to the stream."""

    def wait_until_accepted(self, submission: "Submission") -> None: ...

    def wait_until_settled(self, submission: "Submission", seconds: float) -> Outcome | None: ...


class Submission:
    """A write on its way: accepted by the stream, then settled by its outcome."""

    def __init__(self, sender: Sender, append: Append, token: str, number: int, *, announced: bool) -> None:
        self._sender = sender
        self.append = append
        self.token = token
        self.fingerprint = append.fingerprint
        self.number = number
        self.write_id = 0
        """The write's place in the order; 0 until it is accepted."""
        self.writer_is_alive = True
        """Whether a writer was at work when the write was accepted."""
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        self.joined = False
        """Whether an earlier request with the same Idempotency-Key owns the write."""
        self.id_is_doubtful = False
        """Whether the write was sent twice: the id may be that of the second, which gets no receipt."""
        self.can_lead = False
        """Whether this submission's caller waits, so that it can be asked to send for all."""
        self.lead = False
        """Whether it is asked to."""
        self._wake_when_accepted = not announced
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def accepted(self) -> int:
        """Return the write's id once the stream holds it. Raises NotAccepted or AcceptanceUnknown."""
        self._sender.wait_until_accepted(self)
        return self.write_id

    def wait(self, seconds: float) -> Outcome | None:
        """Return the outcome, or None when it did not come in time or no writer is at work.

        None means *unknown yet*: the write is in the stream and will be committed.
        Raises NotAccepted or AcceptanceUnknown.
        """
        return self._sender.wait_until_settled(self, seconds)

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome and wake up."""
        self.outcome = outcome
        self.write_id = outcome.write_id
        self.wake()

    def accept(self, write_id: int, *, writer_is_alive: bool, joined: bool = False) -> None:
        self.joined = joined
        if self.outcome is None:  # the outcome can overtake the acceptance, and knows the id better
            self.write_id = write_id
        self.writer_is_alive = writer_is_alive
        if self._wake_when_accepted or not writer_is_alive:
            self.wake()

    def refuse(self, error: Exception) -> None:
        self.error = error
        self.wake()

    def wake(self) -> None:
        try:
            self._asleep.release()
        except RuntimeError:
            return  # awake already

    def sleep(self, seconds: float) -> bool:
        """Sleep until woken, and return whether that happened within the time."""
        return self._asleep.acquire(timeout=max(0.0, seconds))

    def wake_when_accepted(self) -> None:
        self._wake_when_accepted = True
        if self.write_id:
            self.wake()

    @property
    def is_answered(self) -> bool:
        """Whether the stream has taken or refused the write."""
        return self.error is not None or self.write_id > 0
