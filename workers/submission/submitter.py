"""Hand writes to the stream and wait for their outcomes.

A submitter lives on an event loop: the web server's, or for commands and tasks one of its own in a thread.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from django.db import DEFAULT_DB_ALIAS

from workers.conf import settings
from workers.exceptions import TooManyWaiting
from workers.stream import redis_stream
from workers.stream.append import Appender
from workers.stream.redis_client import shared_client
from workers.submission import read_after
from workers.submission.listener import Listener
from workers.submission.progress import ProgressChannel
from workers.submission.read_after import Progress
from workers.submission.sender import Sender
from workers.submission.submission import Submission
from workers.writes import Write, encode

CLOSING_SECONDS = 5.0
"""Longest wait for what a submitter's thread is doing when it is to end."""


class Submitter:
    """The one way from this process to the stream. May be used from any thread."""

    def __init__(self, *, ring: Callable[[], None], loop: asyncio.AbstractEventLoop | None = None) -> None:
        """`loop` is the one that runs in this thread; without it a thread is begun."""
        self.loop = loop or asyncio.new_event_loop()
        self.owns_loop = loop is None
        self._thread = threading.current_thread()
        if loop is None:
            self._thread = threading.Thread(target=_run, args=(self.loop,), name="submitter", daemon=True)
            self._thread.start()
        self._numbers = itertools.count(1)
        self._listener = Listener()
        self.progress = ProgressChannel(self.loop)
        self._sender = Sender(self.loop, self._listener, ring=ring)

    def submit(self, write: Write, *, announced: bool) -> Submission:
        """Send the write with the others of this turn of the loop. `announced` asks for its outcome.

        Raises TooManyWaiting, StoreNotReady, UnfitArgument and UnsupportedArgument.
        """
        appender = self._appender  # reads the store's identity: here, where a caller may use the store
        if announced and self._listener.waiting >= settings.WRITE_MAX_WAITING:
            raise TooManyWaiting
        number = next(self._numbers)
        if announced:
            write = replace(write, reply_to=f"{self._listener.process}:{number}")
        submission = Submission(self._listener, replace(write, payload=encode(write)), number)
        if announced:
            # Before the append, as the channel is subscribed before it: no outcome can come too early.
            self._listener.expect(number, submission)
        if threading.get_ident() == self._thread.ident:
            self._sender.add(appender, submission)
        else:
            self.loop.call_soon_threadsafe(self._sender.add, appender, submission)
        return submission

    def find(self, write_id: int) -> redis_stream.Entry | None:
        """Return the entry of this write while it waits. Raises redis.RedisError."""
        return redis_stream.find(shared_client(), write_id)

    def wait_until_committed(
        self, write_id: int, seconds: float, *, reads_from: str = DEFAULT_DB_ALIAS
    ) -> Progress:
        """Wait until the write has its outcome in the database with this alias, within a limit.

        Raises redis.RedisError and django.db.Error.
        """
        return read_after.wait_until_committed(self.progress, write_id, seconds, reads_from=reads_from)

    def close(self) -> None:
        """End the connections; who still waits is told so, as of a Redis that went away."""
        if self.owns_loop:
            self.loop.call_soon_threadsafe(self._close)
            self._thread.join(CLOSING_SECONDS)
        else:
            self._close()

    def _close(self) -> None:
        self._sender.close()
        self._listener.close(waits=self.owns_loop)
        self.progress.close()
        if self.owns_loop:
            self.loop.stop()

    @cached_property
    def _appender(self) -> Appender:
        return Appender()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    # A task that is connecting takes several turns to end, and may begin another one meanwhile.
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks))
    loop.close()
