"""A process's time as the writer: it begins with the lease and ends with it."""

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property

import redis
from django.db import Error, connections

from workers.backups.schedule import Schedule
from workers.exceptions import LeaseLost, StoreNotReady, StreamOfAnotherStore, WrongStore
from workers.sd_notify import notifier
from workers.store import lease, soundness, store_file
from workers.store.lease import StoreLease
from workers.store.roles import Role, set_role
from workers.store.store_file import FileId
from workers.stream import heartbeat, ownership, pauses, redis_stream, standbys
from workers.stream.heartbeat import Heartbeat
from workers.stream.redis_client import connect
from workers.writer.loop import REPLY_SECONDS, Drained, Writer

logger = logging.getLogger(__name__)

AWAY_SECONDS = heartbeat.LIFE_SECONDS
"""A writer that has not reached Redis for so long gives the lease back: its heartbeat is gone by then, and a
standby on another host may reach it."""


@cache
def _client() -> redis.Redis:
    return connect(timeout_seconds=REPLY_SECONDS)


class Leadership:
    """Begins when nobody else holds the lease and nobody asks for a pause. Ends on request, and at death."""

    def __init__(self) -> None:
        self.writer: Writer | None = None
        self._store: FileId | None = None
        self._refused = ""
        self._said_so = -math.inf
        self._schedule = Schedule()
        self._reached_redis_at = 0.0
        """By the monotonic clock."""

    @cached_property
    def lease(self) -> StoreLease:
        return lease.of_store()

    @cached_property
    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(_client())

    def try_begin(self) -> bool:
        """Return whether this process is the writer now. Raises redis.RedisError."""
        if self.writer is not None and not self.lease.is_intact():
            # Somebody deleted the file, or the connection is gone, so that a second writer could begin.
            logger.error("writer state=lease-lost lease=%s", self.lease)
            self.end(reason="lease-lost")
        if self.writer is not None:
            self._schedule.tend()
            return True
        # Before the lease: whoever asked for the pause is waiting for it.
        if pauses.requested(_client()) is not None:
            return False
        try:
            self._refuse_replaced_store()
            if connections["default"].vendor == "sqlite":
                soundness.refuse_damaged(store_file.path())  # a standby has looked when it takes over
            if not self.lease.try_acquire(purpose="writer", after=ownership.last_epoch(_client())):
                return False
            self.writer = self._begin()
        except (WrongStore, StreamOfAnotherStore, StoreNotReady, Error) as exc:
            self._refuse(exc)
            return False
        self._refused = ""
        self._reached_redis_at = time.monotonic()
        logger.info("writer state=holds-lease lease=%s", self.lease)
        return True

    def _begin(self) -> Writer:
        set_role(Role.WRITER)
        try:
            self.lease.begin_to_write()
            redis_stream.begin_epoch(self.lease.epoch)
            writer = Writer()
        except BaseException:
            self._give_back()
            raise
        return writer

    def _refuse_replaced_store(self) -> None:
        """Raise WrongStore when the store is not the one that this process began with.

        The web processes still read the former one, so only a restart of all may go over to another.
        """
        if connections["default"].vendor != "sqlite":
            return
        path = store_file.path()
        found = store_file.file_id(path)
        self._store = self._store or found
        if found != self._store:
            raise WrongStore(store_file.replaced(path))

    def _refuse(self, exc: Exception) -> None:
        """Say why this process does not write, in the log once and in the heartbeat while it lasts."""
        if str(exc) != self._refused:
            self._refused = str(exc)
            logger.error("writer state=refused reason=%s", exc)
        # Whoever else is at work, perhaps for another store, has the heartbeat.
        if isinstance(exc, WrongStore) and self._heartbeat.is_due:
            at_work = heartbeat.read(_client())
            if at_work is None or at_work.pid == os.getpid():
                self._heartbeat.renew(committed=0, error=str(exc))

    def stand_by(self) -> None:
        """Say that this process waits for the lease, when it is time to. Raises redis.RedisError."""
        now = time.monotonic()
        if self.writer is None and now - self._said_so >= standbys.RENEW_SECONDS:
            self._said_so = now
            with suppress(redis.ResponseError):  # out of memory, perhaps: it stands by all the same
                standbys.note(_client())

    def work(self, work: Callable[[Writer], Drained]) -> Drained | None:
        """Have the writer do something, and give the lease back when it says so; None when it could not."""
        if self.writer is None:
            return None
        try:
            done = work(self.writer)
        except redis.RedisError as exc:
            notifier.progress()  # several such waits in a row are no hang
            logger.warning("drain state=interrupted error=%s", exc)
            if time.monotonic() - self._reached_redis_at >= AWAY_SECONDS:
                self.end(reason="redis-away", reaches_redis=False)
            return None
        except StreamOfAnotherStore:
            self.end(reason="stream-of-another-store")  # why not again is said when it tries to begin
            return None
        except LeaseLost:
            self.end(reason="lease-lost")
            return None
        self._reached_redis_at = time.monotonic()
        if done is Drained.PAUSE:
            self.end(reason="pause")
        return done

    def end(self, *, reason: str, reaches_redis: bool = True) -> None:
        """Stop writing, say so where Redis can be reached, and give the lease back."""
        if self.writer is None:
            return
        self._schedule.stop()
        writer, self.writer = self.writer, None  # first: whatever fails below, this process writes no more
        try:
            writer.stop(says_so=reaches_redis)
        except redis.RedisError as exc:
            logger.warning("writer state=ended heartbeat=not-removed error=%s", exc)
        self._give_back()
        logger.info("writer state=gave-lease-back reason=%s", reason)

    def _give_back(self) -> None:
        # The lease goes last: until then nobody else may find a connection here that could still write.
        connections.close_all()
        set_role(Role.COMMAND)
        redis_stream.begin_epoch(0)
        self.lease.release()


leadership = Leadership()
"""One for the process: Celery makes its bootsteps anew after each reconnection."""
