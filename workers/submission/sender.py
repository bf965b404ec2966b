"""Sends writes to the stream: what is submitted in one turn of the event loop is one append.

All of it happens on that loop, so nothing is locked. Round trips follow each other over one link, without
waiting for replies, so Redis accepts the writes of a process in the order in which they were submitted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis
from redis.exceptions import NoScriptError

from workers.conf import settings
from workers.exceptions import AcceptanceUnknown, QueueUnavailable, StreamOfAnotherStore
from workers.in_hand import context_of
from workers.stream import keys
from workers.stream.append import Appended, Appender, appended
from workers.stream.link import Link, open_link
from workers.submission.confirmation import Confirmation
from workers.submission.listener import QUIET_SECONDS, Listener
from workers.submission.submission import Submission

logger = logging.getLogger(__name__)

APPENDS_AT_ONCE = 200
"""Writes in one round trip; keeps the script short, because Redis does nothing else while it runs."""

RECONNECT_SECONDS = 0.1
"""Pause between attempts to reach Redis while requests wait, who meanwhile look at their receipts."""

CLOSED = redis.ConnectionError("closed")


class Sender:
    """One link to Redis: appends go out over it, outcomes come in."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, listener: Listener, *, ring: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._listener = listener
        self.ring = ring
        self._unsent: deque[Submission] = deque()
        self._cut: list[Submission] = []
        """What lost its reply with the link, and is sent once more over the next one."""
        self._appender: Any = None
        """The Appender of the last submission: another one once a test has opened another store."""
        self._known_id = 0
        """The highest write id that this process knows of. A master that knows less goes on from there."""
        self._link: Link | None = None
        self._confirmation: Confirmation | None = None
        """Of the link, where replicas have to have a write before it is accepted."""
        self._opening: asyncio.Task[None] | None = None
        self._is_due = False
        self._is_closed = False
        self._watches = False
        self._is_away = False
        """Whether the stream has refused all since somebody was told so: said once, not for each batch."""

    def add(self, appender: Appender, submission: Submission) -> None:
        """Line a submission up for the append at the end of this turn of the loop."""
        self._appender = appender
        self._unsent.append(submission)
        if not self._is_due:
            self._is_due = True
            # Also of the link that it may open: no line of what is done for all may name one of them.
            self._loop.call_soon(self._send_all, context=context_of(None))

    def close(self) -> None:
        """End the link, for good. To be called on the loop, last of all."""
        self._is_closed = True
        if self._opening is not None:
            self._opening.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.close(CLOSED)
        self._refuse_all(CLOSED)

    def _send_all(self) -> None:
        self._is_due = False
        if self._is_closed:
            self._refuse_all(CLOSED)
            return
        if self._link is None:
            self._open()
            return
        while self._unsent:
            count = min(APPENDS_AT_ONCE, len(self._unsent))
            self._append(self._link, [self._unsent.popleft() for _ in range(count)])
        self._watch()

    def _load_script(self, link: Link) -> None:
        link.send("SCRIPT", "LOAD", Appender.script, then=lambda reply: None)

    def _append(self, link: Link, batch: Sequence[Submission], *, was_sent_before: bool = False) -> None:
        writes = (submission.write for submission in batch)
        command = self._appender.command(writes, known_id=self._known_id)
        link.send(*command, then=partial(self._take, batch, was_sent_before))
        if self._confirmation is not None:
            self._confirmation.ask()

    def _take(self, batch: Sequence[Submission], was_sent_before: bool, reply: Any) -> None:
        """Tell each submission of a batch what the stream replied, or that it did not."""
        try:
            match reply:
                case NoScriptError() if self._link is not None:  # Redis was told to forget it
                    self._load_script(self._link)
                    self._append(self._link, batch, was_sent_before=was_sent_before)
                case redis.ResponseError() | redis.BusyLoadingError():  # Redis replied: it did nothing
                    self._refuse(batch, AcceptanceUnknown() if was_sent_before else QueueUnavailable(), reply)
                case redis.ConnectionError() if not was_sent_before:
                    self._send_again(batch, reply)
                case redis.RedisError():  # no reply in time, or none for the second time
                    self._refuse(batch, AcceptanceUnknown(), reply)
                case _:
                    self._understand(batch, was_sent_before, reply)
        except Exception as exc:
            self._break(batch, exc)

    def _break(self, batch: Sequence[Submission], exc: Exception) -> None:
        """Leave nobody asleep, whatever went wrong; each caller raises it."""
        logger.exception("submit state=broken writes=%s", len(batch))
        for submission in batch:
            submission.refuse(exc)

    def _understand(self, batch: Sequence[Submission], was_sent_before: bool, reply: Any) -> None:
        try:
            found = appended(reply)
        except StreamOfAnotherStore as exc:
            logger.error("submit state=stream-of-another-store writes=%s hint='manage.py doctor'", len(batch))
            for submission in batch:
                submission.refuse(AcceptanceUnknown() if was_sent_before else exc)
            return
        self._known_id = max(self._known_id, *(one.write_id or 0 for one in found.replies))
        if found.rings or was_sent_before:  # the reply that was lost may have said so
            self._loop.run_in_executor(None, self.ring)
        if self._confirmation is None:
            self._tell(batch, was_sent_before, found, is_confirmed=True)
        else:
            self._confirmation.hold(partial(self._take_confirmation, batch, was_sent_before, found))

    def _take_confirmation(
        self, batch: Sequence[Submission], was_sent_before: bool, found: Appended, reply: Any
    ) -> None:
        """Tell each submission of a batch, which was appended, whether enough replicas have it."""
        try:
            match reply:
                case int():
                    is_confirmed = reply >= settings.WRITE_ACCEPT_REPLICAS
                    self._tell(batch, was_sent_before, found, is_confirmed=is_confirmed)
                case redis.ConnectionError() if not was_sent_before:
                    self._send_again(batch, reply)  # to the next master, which may lack it
                case _:
                    self._refuse(batch, AcceptanceUnknown(), reply)
        except Exception as exc:
            self._break(batch, exc)

    def _tell(
        self, batch: Sequence[Submission], was_sent_before: bool, found: Appended, *, is_confirmed: bool
    ) -> None:
        self._note_state(is_confirmed=is_confirmed, writes=len(batch))
        if logger.isEnabledFor(logging.DEBUG):
            _say_accepted(batch, found)
        for submission, one in zip(batch, found.replies, strict=True):
            submission.take(
                one,
                writer_is_alive=found.writer_is_alive,
                was_sent_before=was_sent_before,
                is_confirmed=is_confirmed,
            )

    def _note_state(self, *, is_confirmed: bool, writes: int) -> None:
        """Say once that replicas do not confirm, and once that all is well again."""
        if self._is_away == is_confirmed:
            self._is_away = not is_confirmed
            if is_confirmed:
                logger.warning("submit state=available")
            else:
                wanted = settings.WRITE_ACCEPT_REPLICAS
                logger.warning("submit state=too-few-replicas wanted=%s writes=%s", wanted, writes)

    def _send_again(self, batch: Sequence[Submission], cause: redis.RedisError) -> None:
        """Line up for a new link what lost its reply to one that was cut.

        The first attempt may have been applied. That does no harm where the outcome or a key leads back to
        the first one: the writes keep their tokens, and a token takes effect once. A write that only asks
        for its id cannot be sent again, because the second id would lead nowhere.
        """
        logger.warning("submit state=cut writes=%s error=%s", len(batch), cause)
        for submission in batch:
            if submission.write.reply_to is None and submission.write.fingerprint is None:
                submission.refuse(AcceptanceUnknown())
            else:
                submission.doubt_id()
                self._cut.append(submission)

    def _refuse(self, batch: Sequence[Submission], error: Exception, cause: redis.RedisError) -> None:
        if not self._is_away:
            self._is_away = True
            logger.warning("submit state=%s writes=%s error=%s", type(error).__name__, len(batch), cause)
        for submission in batch:
            submission.refuse(error)
            self._listener.forget(submission.number)  # its caller may have gone

    def _open(self) -> None:
        # What the end of the link cuts off must not have a new one opened, which nobody would close.
        if self._opening is None and not self._is_closed:
            self._opening = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        """Open the link and send what waits for it; while it cannot be opened refuse that, and try again."""
        try:
            while not await self._try_to_connect() and self._listener.waiting:
                await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            self._opening = None
        if self._link is not None or self._unsent:
            self._send_all()

    async def _try_to_connect(self) -> bool:
        # Other processes may know higher ids; those that matter have receipts by now.
        self._known_id = max(self._known_id, await self._listener.last_settled())
        try:
            link = await open_link(
                keys.outcomes(self._listener.process),
                timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS,
                on_message=self._hear,
                on_lost=self._lost,
            )
        except redis.RedisError as exc:
            self._refuse_all(exc)
            self._listener.catch_up()
            return False
        self._link = link
        self._confirmation = Confirmation(link) if settings.WRITE_ACCEPT_REPLICAS else None
        # First of all: appends that found it missing would be sent again, behind later ones.
        self._load_script(link)
        if self._cut:
            cut, self._cut = self._cut, []
            self._append(link, cut, was_sent_before=True)
        self._listener.catch_up()
        return True

    def _refuse_all(self, cause: redis.RedisError) -> None:
        """Tell those whose writes were cut off, and those whose writes were never sent."""
        cut, self._cut = self._cut, []
        unsent = list(self._unsent)
        self._unsent.clear()
        for batch, error in ((cut, AcceptanceUnknown()), (unsent, QueueUnavailable())):
            if batch:
                self._refuse(batch, error, cause)

    def _lost(self, error: redis.RedisError) -> None:
        self._link = None
        if self._listener.waiting or self._unsent:
            logger.warning("outcomes state=disconnected error=%s", error)
        # Soon: who lost a reply is told of it first.
        self._loop.call_soon(self._reopen)

    def _reopen(self) -> None:
        if self._link is None and (self._cut or self._listener.waiting):
            self._open()

    def _hear(self, message: list[Any]) -> None:
        if message[0] == b"message":
            self._listener.hear(message[2])

    def _watch(self) -> None:
        """Look after a while, and again while anybody waits, whether announcements still come."""
        if not self._watches:
            self._watches = True
            self._loop.call_later(QUIET_SECONDS, self._look)

    def _look(self) -> None:
        self._watches = False
        if not self._listener.waiting:
            return
        self._watch()
        if self._listener.was_silent():
            if self._link is not None and not self._link.is_waiting:
                self._link.send("PING", then=lambda reply: None)  # notices a link that is dead but not closed
            self._listener.catch_up()


def _say_accepted(batch: Sequence[Submission], found: Appended) -> None:
    for submission, one in zip(batch, found.replies, strict=True):
        if one.write_id is not None:
            write = submission.write
            said = "write=%s state=%s function=%s"  # and by its context, for which request
            context_of(write).run(logger.debug, said, one.write_id, one.fate, write.function)
