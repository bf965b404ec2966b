"""The writer: reads accepted writes in order, commits them in batches, announces, acknowledges.

The order of the steps is what keeps the promises: an entry leaves the stream only after its commit is
durable, and is announced only then. A crash anywhere before the acknowledgement means that it is read
again, and its receipt makes that harmless.
"""

import logging
import time
from collections.abc import Set
from contextlib import nullcontext
from enum import StrEnum

import redis
from django.db import Error, connection

from workers import tracing
from workers.conf import settings
from workers.exceptions import LeaseLost, StoreBusy
from workers.measures import Recorder, Times
from workers.store import opening, soundness
from workers.store.holder import PATIENCE_SECONDS, Holder
from workers.store.watch import watch_of_store
from workers.stream import cancellations, heartbeat, outcomes, ownership, pauses, redis_stream
from workers.stream.redis_client import connect
from workers.writer import commit
from workers.writer.checkpoints import Checkpoints, log_bytes
from workers.writer.pruning import Pruning
from workers.writer.reading import Batch, Reader, decoded

logger = logging.getLogger(__name__)

REPLY_SECONDS = 5.0
"""Longest wait for a reply of Redis; the writer, unlike a request, has time."""

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between attempts to commit while the store is unwell; the last one repeats."""

LINGER_SECONDS = 0.05
"""How long the writer waits within a read for what follows a batch. Such a read takes what comes in the round
trip, and with the fsync, of the append itself; Celery's loop stands still meanwhile."""

PAUSE_CHECK_SECONDS = 0.1
"""How often the writer looks whether somebody asks for the lease."""


class Drained(StrEnum):
    """How a drain ended."""

    EMPTY = "empty"
    """Nothing is left in the stream."""
    MORE = "more"
    """Its time was over first: call again."""
    PAUSE = "pause"
    """Somebody asks for the lease."""


class Writer:
    """Commits writes to the store. Its process must hold the lease.

    Raises StreamOfAnotherStore, WrongStore, StoreNotReady, django.db.Error and redis.RedisError when it
    cannot begin.
    """

    def __init__(self) -> None:
        self._client = connect(timeout_seconds=REPLY_SECONDS)
        self._watch = watch_of_store()
        self._watch.note()
        # Before anything is read: what waits in the stream may be another store's.
        ownership.claim(self._client)
        self._acknowledge = redis_stream.acknowledge_script(self._client)
        self._recorder = Recorder(log_bytes=log_bytes)
        self._heartbeat = heartbeat.Heartbeat(self._client, self._recorder)
        opening.tell_of_waits(self._wait_for_lock)
        self._reader = Reader(self._client)
        self._held: Batch | None = None  # read, and not committed because the store is unwell
        self._pruning = Pruning()
        self._failures = 0
        self._was_busy = False
        self._checkpoints = Checkpoints()
        self._pause_check_at = 0.0

    def drain(self, *, stays: bool = False) -> Drained:
        """Commit what is in the stream, for WRITE_TASK_SECONDS at most.

        1. Read a batch, commit it, announce it, acknowledge it, and so on. Each
           acknowledgement keeps the doorbell set, so that nobody rings while the writer is at the stream.
        2. Nothing came while lingering. Unless the caller `stays` at the stream, release the doorbell, then
           read once more. A write accepted before the release is seen by that read; one accepted later rings.

        Raises redis.RedisError; what was not acknowledged then is read again.
        """
        deadline = time.monotonic() + settings.WRITE_TASK_SECONDS
        linger_seconds = 0.0
        while time.monotonic() < deadline:
            # What was read already is not left waiting: cancelled meanwhile, it would be applied after it.
            if not self._reader.has_rest and self._is_to_pause():
                return Drained.PAUSE
            if self._step(wait_seconds=linger_seconds):
                linger_seconds = LINGER_SECONDS
                continue
            if stays:
                return Drained.EMPTY
            redis_stream.release_doorbell(self._client)
            if not self._step(wait_seconds=0):
                return Drained.EMPTY
        return Drained.MORE

    def tend(self) -> Drained:
        """Do what an idle writer has to do now and then, while it stays at the stream; say whether to pause.

        Keeps the doorbell set, so that nobody rings. Raises redis.RedisError.
        """
        if self._is_to_pause():
            return Drained.PAUSE
        if self._held is not None or self._reader.has_rest:
            return self.drain(stays=True)
        redis_stream.keep_doorbell(self._client)
        self._idle()
        return Drained.EMPTY

    def stop(self, *, says_so: bool = True) -> None:
        """Drop the heartbeat, if Redis is there, and close Redis and the store. Raises redis.RedisError."""
        opening.tell_of_waits(None)
        try:
            # First: on a server the lease goes with the connection, and a successor's heartbeat is to stay.
            if says_so:
                self._heartbeat.stop()
        finally:
            connection.close()  # before the lease goes: whoever takes it next must find nothing open
            self._client.close()

    def _is_to_pause(self) -> bool:
        now = time.monotonic()
        if now < self._pause_check_at:
            return False
        self._pause_check_at = now + PAUSE_CHECK_SECONDS
        pause = pauses.requested(self._client)
        if pause is not None:
            logger.info("writer state=pausing by=%s", pause.by)
        return pause is not None

    def _step(self, *, wait_seconds: float) -> bool:
        """Read one batch and see it through; return whether there was one."""
        batch = self._held or self._read(wait_seconds)
        started = time.monotonic()
        if batch is None:
            self._idle()
            return False
        self._see_through(batch)
        if self._held is not None:
            return True  # true although nothing was committed: the doorbell must not be released
        size = len(batch.entries)
        self._heartbeat.note_rate(writes=size, seconds=time.monotonic() - started)
        self._heartbeat.renew(committed=size)
        self._checkpoints.after_batch(was_large=batch.begins_large)
        self._pruning.prune_a_little()
        return True

    def _idle(self) -> None:
        """Prove that this writer could write, and tidy up."""
        if self._heartbeat.is_due:
            self._heartbeat.renew(committed=0, error=self._problem() or opening.probe())
            self._checkpoints.look()  # of what others wrote
        self._pruning.prune_a_little()

    def _problem(self) -> str | None:
        try:
            return self._watch.problem()
        except StoreBusy:
            return None  # somebody writes, and so the store can be written

    def _wait_for_lock(self, holder: Holder, seconds: float) -> None:
        """Say whom the writer waits for, while it does."""
        self._heartbeat.tick(error=holder.keeps_the_lock if seconds > PATIENCE_SECONDS else None)

    def _read(self, wait_seconds: float) -> Batch | None:
        try:
            return self._reader.read(wait_seconds=wait_seconds)
        except redis.ResponseError as exc:
            if not str(exc).startswith("NOGROUP"):  # the reply's error code, as the protocol defines it
                raise
            # Flushed, or another writer's by now: then one of these raises.
            self._watch.assure()
            ownership.claim(self._client)
            logger.warning("stream state=created reason=missing")
            return self._reader.read(wait_seconds=wait_seconds)

    def _see_through(self, batch: Batch) -> None:
        """Commit, announce and acknowledge a batch; hold it back when the store could not commit."""
        cancelled = self._cancelled_of(batch)
        # An entry deleted by somebody else while unacknowledged has no payload left; it has its receipt.
        writes = [decoded(entry) for entry in batch.entries if entry.payload]
        settled: list[commit.Settled] = []
        times = Times()
        try:
            # One turn for all of it, if it was waited for in vain before: a look at the file would use it up.
            turn = opening.kept(connection) if self._was_busy else nullcontext()
            with turn, tracing.batch(writes) as traced:
                problem = self._watch.problem()
                if not problem:
                    settled = commit.commit_batch(
                        writes,
                        set_aside=batch.is_poison,
                        is_cancelled=lambda write: write.write_id in cancelled,
                        on_progress=self._heartbeat.tick,
                        times=times,
                    )
                    # Looked at again: a commit into a file that has lost its name meanwhile is no commit.
                    problem = self._watch.problem()
        except LeaseLost:
            raise  # another worker reads the batch again, and commits it
        except Error as exc:
            self._wait_for_store(batch, exc)
            return
        if problem:
            self._hold(batch, problem)
            return
        self._held, self._failures, self._was_busy = None, 0, False
        outcomes.announce(self._client, settled, last_write_id=batch.entries[-1].write_id)
        claimed = [write.token for write in writes if write.fingerprint is not None]
        # After the commit: a death before this means that the entries are read again, which the receipts make
        # harmless; acknowledged before the commit they would be lost.
        redis_stream.acknowledge(self._acknowledge, batch.entries, claimed=claimed)
        self._reader.acknowledged(batch)
        self._recorder.batch(settled, times)
        traced.end(settled)
        if batch.may_be_cancelled:
            cancellations.forget(self._client, through=batch.entries[-1].write_id)

    def _cancelled_of(self, batch: Batch) -> Set[int]:
        """Return which of the batch's writes somebody has cancelled. Raises redis.RedisError."""
        if not (batch.may_be_cancelled or self._failures):
            return frozenset()
        first, last = batch.entries[0].write_id, batch.entries[-1].write_id
        try:
            return cancellations.between(self._client, first, last)
        except redis.RedisError:
            self._held = batch  # reading it again would count as a delivery
            raise

    def _wait_for_store(self, batch: Batch, exc: Error) -> None:
        """Hold the batch back, and let the next attempt open the store anew."""
        self._was_busy = isinstance(exc, StoreBusy)
        if self._was_busy:
            self._hold(batch, str(exc))  # nothing is wrong with the connection
            return
        try:
            problem = self._watch.problem()
        except Error:
            problem = None
        if not problem:
            connection.close()
        # Else it stays open: opened anew it would bring a file and a log together that are strangers.
        self._hold(batch, problem or soundness.reason_of(exc))

    def _hold(self, batch: Batch, reason: str) -> None:
        """Keep the batch for the next attempt; reading it again would count as a delivery."""
        self._held = batch
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        self._recorder.held_back()
        logger.error(
            "batch state=not-committed writes=%s attempt=%s retry_in=%ss error=%s",
            len(batch.entries),
            self._failures,
            pause,
            reason,
        )
        self._heartbeat.renew(committed=0, error=reason)
        time.sleep(pause)
