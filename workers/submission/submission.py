"""One write on its way: what its caller holds, sleeps on, and is woken through."""

import logging
import time

from django.db import DatabaseError

from workers.event_loop.bells import new_bell
from workers.exceptions import AcceptanceUnknown, KeyInProgress, KeyReused, StreamFull
from workers.store import receipts, request_transaction
from workers.stream.append import Fate, Reply
from workers.submission.listener import Listener
from workers.writes import Outcome, Write

logger = logging.getLogger(__name__)

ACCEPTANCE_SECONDS = 60.0
"""Longest wait to be sent, should all other limits fail; a round trip has its own, far shorter one."""


class Submission:
    """A write on its way: accepted by the stream, then settled by its outcome."""

    def __init__(self, listener: Listener, write: Write, number: int) -> None:
        self._listener = listener
        self.write = write
        self.number = number
        """Under which its outcome is announced to this process."""
        self.write_id: int | None = None
        """The write's place in the order; None until it is accepted."""
        self.writer_is_alive = True
        """Whether a writer was at work when the stream accepted it."""
        self._outcome: Outcome | None = None
        self._error: Exception | None = None
        self._joined = False
        """Whether an earlier request with the same Idempotency-Key owns the write."""
        self._id_is_doubtful = False
        """Whether the write was sent twice: the id may be that of the second, which gets no receipt."""
        self._is_unconfirmed = False
        """Whether fewer replicas have the write than are to: what comes of it, only its outcome can tell."""
        self._wakes_when_accepted = write.reply_to is None
        self._bell = new_bell()

    def accepted(self) -> int:
        """Return the write's id once the stream holds it. Raises NotAccepted or AcceptanceUnknown."""
        write_id = self._accepted()
        if self._is_unconfirmed and self._outcome is None:
            self._listener.forget(self.number)
            raise AcceptanceUnknown
        return write_id

    def _accepted(self) -> int:
        self._wakes_when_accepted = True
        deadline = time.monotonic() + ACCEPTANCE_SECONDS
        while self._error is None and self.write_id is None:
            if time.monotonic() >= deadline:
                self._error = AcceptanceUnknown()
                break
            self._bell.sleep(ACCEPTANCE_SECONDS)
        if self._error is not None or self.write_id is None:
            self._listener.forget(self.number)
            raise self._error or AcceptanceUnknown()
        return self.write_id

    def wait(self, seconds: float) -> Outcome | None:
        """Return the outcome, or None when it did not come in time or no writer is at work.

        None means *unknown yet*: the write is in the stream and will be committed. It comes at once where the
        caller's own transaction keeps the writer out.
        Raises NotAccepted or AcceptanceUnknown; KeyInProgress when a write that joined an earlier one has no
        outcome yet.
        """
        with request_transaction.left_for_writer() as can_commit:
            self._sleep(seconds if can_commit else 0.0)
        if self._outcome is None:
            write_id = self._accepted()
            self._listener.forget(self.number)
            self._look_up()
            if self._outcome is None and self._is_unconfirmed:
                raise AcceptanceUnknown
            if self._outcome is None and self._joined:
                raise KeyInProgress(write_id)
            if self._outcome is None and self._id_is_doubtful:
                raise AcceptanceUnknown
        return self._outcome

    def _sleep(self, seconds: float) -> None:
        """Sleep until there is an outcome or an error, or none can come within the limit."""
        deadline = time.monotonic() + seconds
        while self._outcome is None and self._error is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or (self.write_id is not None and not self.writer_is_alive):
                break
            self._bell.sleep(remaining)

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome and wake up."""
        self._outcome = outcome
        self.write_id = outcome.write_id
        self._bell.ring()

    def take(
        self, reply: Reply, *, writer_is_alive: bool, was_sent_before: bool, is_confirmed: bool = True
    ) -> None:
        """Take the stream's reply; `is_confirmed` when as many replicas have the write as are to."""
        match reply.fate:
            case Fate.FULL:
                # The first attempt may be what fills it.
                self.refuse(AcceptanceUnknown() if was_sent_before else StreamFull())
            case Fate.REUSED:
                self.refuse(KeyReused())
            case Fate.RUNNING if not was_sent_before:
                self.refuse(KeyInProgress(reply.write_id or 0))
            case _:
                # What joins its own first attempt owns the write all the same.
                self._joined = reply.fate is Fate.JOINED and not was_sent_before
                self.writer_is_alive = writer_is_alive
                # Who waits goes on: an outcome is durable in the store, whatever becomes of Redis.
                self._is_unconfirmed = not is_confirmed
                if self._outcome is None:  # the outcome can overtake the acceptance, and knows the id better
                    self.write_id = reply.write_id
                if self._wakes_when_accepted or not writer_is_alive:
                    self._bell.ring()

    def doubt_id(self) -> None:
        """Note that the write is sent a second time, and that without a key the id may be of either."""
        self._id_is_doubtful = self.write.fingerprint is None

    def refuse(self, error: Exception) -> None:
        """Take the error for which the write is not, or perhaps not, in the stream."""
        self._error = error
        self._bell.ring()

    def _look_up(self) -> None:
        """Take the outcome from the receipt, in case only its announcement was lost."""
        try:
            known = receipts.find([self.write.token]).get(self.write.token)
        except DatabaseError:
            logger.exception("write=%s state=receipt-unreadable", self.write_id)
            return
        if known is not None and known.fingerprint == self.write.fingerprint:
            self.settle(known.outcome)
