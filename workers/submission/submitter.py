"""Hand writes to the stream and wait for their outcomes.

Requests that submit at the same moment share one round trip: the first one in sends for all. Whoever
arrives meanwhile is sent by the next, or with others as soon as they are enough, so nobody waits for more
than two round trips, and no extra thread is woken. The order is that in which Redis accepts the writes. A
request that waits is woken once, by its outcome.
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import redis
from django.db import DatabaseError

from workers.conf import settings
from workers.exceptions import (
    AcceptanceUnknown,
    KeyInProgress,
    KeyReused,
    QueueUnavailable,
    StreamFull,
    StreamOfAnotherStore,
    TooManyWaiting,
)
from workers.store import identity, receipts
from workers.stream import redis_stream
from workers.stream.redis_client import connect
from workers.submission.listener import Listener
from workers.submission.submission import Submission
from workers.writes import Outcome, Write, encode

logger = logging.getLogger(__name__)

SENDERS = 3
"""Round trips under way at once. Under load a reply is read late, when its greenlet has its turn; writes that
waited for that would leave the writer idle."""

SHARED_AT = 8
"""Writes that wait from which another round trip pays."""

APPENDS_AT_ONCE = 200
"""Writes in one round trip; keeps the script short, because Redis does nothing else while it runs."""

ACCEPTANCE_SECONDS = 60.0
"""Longest wait to be sent, should all other limits fail; a round trip has its own, far shorter one."""


class Submitter:
    """The one way from this process to the stream."""

    def __init__(self, *, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._listener = Listener()
        self._numbers = itertools.count(1)
        self._mutex = threading.Lock()
        self._pending: deque[Submission] = deque()
        self._senders = 0
        self._client = connect(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS)
        self._script = redis_stream.append_script(self._client)

    def submit(self, write: Write, *, announced: bool) -> Submission:
        """Line the write up for the next round trip. `announced` asks for its outcome.

        Raises TooManyWaiting, and StoreNotReady.
        """
        identity.current()  # read here, where a caller may use the store, and once; whoever sends may not
        if announced and self._listener.waiting >= settings.WRITE_MAX_WAITING:
            raise TooManyWaiting
        number = next(self._numbers)
        reply_to = f"{self._listener.process}:{number}" if announced else ""
        append = redis_stream.Append(
            payload=encode(replace(write, reply_to=reply_to)),
            key_token=write.token if write.fingerprint else "",
            fingerprint=write.fingerprint,
            waits=announced,
        )
        submission = Submission(self, append, write.token, number, announced=announced)
        if announced:
            self._listener.expect(number, submission)
        with self._mutex:
            self._pending.append(submission)
            leads = not self._senders or (self._senders < SENDERS and len(self._pending) >= SHARED_AT)
            self._senders += leads
        if leads:
            self._lead()
        return submission

    def wait_until_accepted(self, submission: Submission) -> None:
        """Return once the stream holds the write. Raises NotAccepted or AcceptanceUnknown."""
        submission.wake_when_accepted()
        deadline = time.monotonic() + ACCEPTANCE_SECONDS
        with self._ready_to_lead(submission):
            while not submission.is_answered:
                if time.monotonic() >= deadline:
                    submission.error = AcceptanceUnknown()
                    break
                self._lead_or_sleep(submission, ACCEPTANCE_SECONDS)
        if submission.error is not None:
            self._listener.forget(submission.number)
            raise submission.error

    def wait_until_settled(self, submission: Submission, seconds: float) -> Outcome | None:
        """Return the outcome, or None when it did not come in time or no writer is at work.

        Raises KeyInProgress when that happens to a write that joined an earlier one.
        """
        deadline = time.monotonic() + seconds
        with self._ready_to_lead(submission):
            while submission.outcome is None and submission.error is None:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or (submission.write_id and not submission.writer_is_alive):
                    break
                self._lead_or_sleep(submission, remaining)
        if submission.outcome is None:
            self.wait_until_accepted(submission)
            self._listener.forget(submission.number)
            self._look_up(submission)
        if submission.outcome is None and submission.joined:
            raise KeyInProgress(submission.write_id)
        if submission.outcome is None and submission.id_is_doubtful:
            raise AcceptanceUnknown
        return submission.outcome

    def _look_up(self, submission: Submission) -> None:
        """Take the outcome from the receipt, in case only its announcement was lost."""
        try:
            known = receipts.find([submission.token]).get(submission.token)
        except DatabaseError:
            logger.exception("write=%s state=receipt-unreadable", submission.write_id)
            return
        if known is not None and known.fingerprint == submission.append.fingerprint:
            submission.settle(known.outcome)

    @contextmanager
    def _ready_to_lead(self, submission: Submission) -> Iterator[None]:
        """Let others pass the lead to this submission's caller while it waits; never leave with the lead."""
        with self._mutex:
            submission.can_lead = True
        try:
            yield
        finally:
            with self._mutex:
                submission.can_lead = False
            if submission.lead:
                submission.lead = False
                self._lead()

    def _lead_or_sleep(self, submission: Submission, seconds: float) -> None:
        if submission.lead:
            submission.lead = False
            self._lead()
        else:
            submission.sleep(seconds)

    def _lead(self) -> None:
        """Send what is pending, until somebody else can or nothing is left."""
        while True:
            self._send()
            if self._pass_the_lead():
                return

    def _send(self) -> None:
        """Send what is pending in one round trip, and ring if nobody has."""
        with self._mutex:
            batch = [self._pending.popleft() for _ in range(min(APPENDS_AT_ONCE, len(self._pending)))]
        if not batch:
            return  # others have sent it since the lead was passed on
        try:
            ring = self._append(batch)
        except Exception as exc:  # nobody may be left asleep, whatever went wrong; each caller raises it
            logger.exception("submit state=broken writes=%s", len(batch))
            for submission in batch:
                submission.refuse(exc)
            return
        if ring:
            self._ring()

    def _pass_the_lead(self) -> bool:
        """Return whether there is nothing left to send for this leader.

        The lead goes to a caller that waits, because only that one is sure to act on it: others may have
        gone to do something else, or have got their outcome from an earlier write with the same key.
        """
        with self._mutex:
            if not self._pending:
                self._senders -= 1
                return True
            for submission in self._pending:
                if submission.can_lead and not submission.lead:  # one lead each: a second would be forgotten
                    submission.lead = True
                    submission.wake()
                    return True
        return False

    def _append(self, batch: list[Submission]) -> bool:
        """Append a batch, tell each of its submissions, and return whether to ring."""
        try:
            self._connect()
        except redis.RedisError as exc:
            self._refuse(batch, QueueUnavailable(), exc)
            return False
        try:
            return self._append_and_tell(batch, again=False)
        except (redis.BusyLoadingError, redis.ResponseError) as exc:  # Redis answered: it did nothing
            self._refuse(batch, QueueUnavailable(), exc)
        except redis.ConnectionError as exc:
            return self._append_again(batch, exc)
        except redis.RedisError as exc:  # no answer in time
            self._refuse(batch, AcceptanceUnknown(), exc)
        return False

    def _append_again(self, batch: list[Submission], cause: redis.RedisError) -> bool:
        """Append once more, on a new connection, what lost its answer to a connection that was cut.

        The first attempt may have been applied. That does no harm where the outcome or a key leads back to
        the first one: the writes keep their tokens, and a token takes effect once. A write that only asks
        for its id cannot be sent again, because the second id would lead nowhere.
        """
        once_only = [
            submission for submission in batch if not (submission.append.waits or submission.append.key_token)
        ]
        again = [submission for submission in batch if submission not in once_only]
        for submission in once_only:
            submission.refuse(AcceptanceUnknown())
        for submission in again:
            submission.id_is_doubtful = not submission.append.key_token
        if not again:
            return False
        try:
            self._append_and_tell(again, again=True)
            return True  # the reply that was lost may have said so
        except redis.RedisError as exc:
            logger.warning("submit state=cut error=%s", cause)
            self._refuse(again, AcceptanceUnknown(), exc)
            return False

    def _append_and_tell(self, batch: list[Submission], *, again: bool) -> bool:
        appended = redis_stream.append(self._script, [submission.append for submission in batch])
        if appended.answers == [b"foreign"]:
            self._refuse_foreign(batch)
            return False
        for submission, answer in zip(batch, appended.answers, strict=True):
            _tell(submission, answer, writer_is_alive=appended.writer_is_alive, again=again)
        return appended.ring

    def _refuse_foreign(self, batch: list[Submission]) -> None:
        logger.error("submit state=foreign-stream writes=%s hint='manage.py doctor'", len(batch))
        for submission in batch:
            submission.refuse(StreamOfAnotherStore())

    def _connect(self) -> None:
        """Raise an error of Redis when it cannot be reached, while it is certain that nothing was sent."""
        if not self._listener.ensure_listening(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS):
            raise redis.ConnectionError("the channel of outcomes cannot be subscribed")
        pool = self._client.connection_pool
        pool.release(pool.get_connection())  # replaces a connection that Redis has closed

    def _refuse(self, batch: list[Submission], error: Exception, cause: redis.RedisError) -> None:
        """Answer a batch that failed, and refuse what arrived meanwhile, which was certainly not sent."""
        with self._mutex:
            unsent = list(self._pending)
            self._pending.clear()
        logger.warning(
            "submit state=%s writes=%s unsent=%s error=%s",
            type(error).__name__,
            len(batch),
            len(unsent),
            cause,
        )
        for submission in batch:
            submission.refuse(error)
        for submission in unsent:
            submission.refuse(QueueUnavailable())
        for submission in batch + unsent:
            self._listener.forget(submission.number)  # its caller may have gone


def _tell(submission: Submission, answer: bytes, *, writer_is_alive: bool, again: bool) -> None:
    match answer.split():
        case [b"full"]:
            submission.refuse(StreamFull())
        case [b"reused"]:
            submission.refuse(KeyReused())
        case [b"running", write_id] if not again:
            submission.refuse(KeyInProgress(int(write_id)))
        case [b"joined", write_id]:
            submission.accept(int(write_id), writer_is_alive=writer_is_alive, joined=not again)
        case [*_, write_id]:
            submission.accept(int(write_id), writer_is_alive=writer_is_alive)
