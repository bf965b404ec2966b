"""Hand writes to the stream and wait for their outcomes.

Who of the requests that submit at the same moment sends for the others is told by combining.py. The order is
that in which Redis accepts the writes. A request that waits is woken once, by its outcome.
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import redis

from workers.conf import settings
from workers.exceptions import (
    AcceptanceUnknown,
    QueueUnavailable,
    StreamOfAnotherStore,
    TooManyWaiting,
)
from workers.stream.append import Appender
from workers.stream.redis_client import connect
from workers.submission.combining import Lead
from workers.submission.listener import Listener
from workers.submission.submission import Submission
from workers.writes import Write, encode

logger = logging.getLogger(__name__)


class Submitter:
    """The one way from this process to the stream."""

    def __init__(self, *, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._listener = Listener()
        self._numbers = itertools.count(1)
        self._lead: Lead[Submission] = Lead(self._send)
        self._client = connect(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS)

    def submit(self, write: Write, *, announced: bool) -> Submission:
        """Line the write up for the next round trip. `announced` asks for its outcome.

        Raises TooManyWaiting, StoreNotReady, UnfitArgument and UnsupportedArgument.
        """
        _ = self._appender  # reads the store's identity: here, where a caller may use the store
        if announced and self._listener.waiting >= settings.WRITE_MAX_WAITING:
            raise TooManyWaiting
        number = next(self._numbers)
        if announced:
            write = replace(write, reply_to=f"{self._listener.process}:{number}")
        submission = Submission(self._lead, self._listener, replace(write, payload=encode(write)), number)
        if announced:
            # Before the append, as the channel is subscribed before it: no outcome can come too early.
            self._listener.expect(number, submission)
        self._lead.add(submission)
        return submission

    @cached_property
    def _appender(self) -> Appender:
        return Appender(self._client)

    def _send(self, batch: Sequence[Submission]) -> None:
        """Send a batch in one round trip, and ring if nobody has."""
        try:
            rings = self._append(batch)
        except Exception as exc:  # nobody may be left asleep, whatever went wrong; each caller raises it
            logger.exception("submit state=broken writes=%s", len(batch))
            for submission in batch:
                submission.refuse(exc)
            return
        if rings:
            self._ring()

    def _append(self, batch: Sequence[Submission]) -> bool:
        """Append a batch, tell each of its submissions, and return whether to ring."""
        try:
            self._connect()
        except redis.RedisError as exc:
            self._refuse(batch, QueueUnavailable(), exc)
            return False
        try:
            return self._append_and_tell(batch)
        except (redis.BusyLoadingError, redis.ResponseError) as exc:  # Redis replied: it did nothing
            self._refuse(batch, QueueUnavailable(), exc)
        except redis.ConnectionError as exc:
            return self._append_again(batch, exc)
        except redis.RedisError as exc:  # no reply in time
            self._refuse(batch, AcceptanceUnknown(), exc)
        return False

    def _append_again(self, batch: Sequence[Submission], cause: redis.RedisError) -> bool:
        """Append once more, on a new connection, what lost its reply to a connection that was cut.

        The first attempt may have been applied. That does no harm where the outcome or a key leads back to
        the first one: the writes keep their tokens, and a token takes effect once. A write that only asks
        for its id cannot be sent again, because the second id would lead nowhere.
        """
        again = []
        for submission in batch:
            if submission.write.reply_to is None and submission.write.fingerprint is None:
                submission.refuse(AcceptanceUnknown())
            else:
                submission.doubt_id()
                again.append(submission)
        if not again:
            return False
        try:
            self._append_and_tell(again, was_sent_before=True)
            return True  # the reply that was lost may have said so
        except redis.RedisError as exc:
            logger.warning("submit state=cut error=%s", cause)
            self._refuse(again, AcceptanceUnknown(), exc)
            return False

    def _append_and_tell(self, batch: Sequence[Submission], *, was_sent_before: bool = False) -> bool:
        try:
            appended = self._appender.append(submission.write for submission in batch)
        except StreamOfAnotherStore as exc:
            logger.error("submit state=stream-of-another-store writes=%s hint='manage.py doctor'", len(batch))
            for submission in batch:
                submission.refuse(exc)
            return False
        for submission, reply in zip(batch, appended.replies, strict=True):
            submission.take(reply, writer_is_alive=appended.writer_is_alive, was_sent_before=was_sent_before)
        return appended.rings

    def _connect(self) -> None:
        """Raise an error of Redis when it cannot be reached, while it is certain that nothing was sent."""
        if not self._listener.ensure_listening(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS):
            raise redis.ConnectionError("the channel of outcomes cannot be subscribed")
        pool = self._client.connection_pool
        pool.release(pool.get_connection())  # replaces a connection that Redis has closed

    def _refuse(self, batch: Sequence[Submission], error: Exception, cause: redis.RedisError) -> None:
        """Refuse a batch that failed, and what arrived meanwhile, which was certainly not sent."""
        unsent = self._lead.take_all()
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
        for submission in (*batch, *unsent):
            self._listener.forget(submission.number)  # its caller may have gone
