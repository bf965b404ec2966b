"""The writer's heartbeat: a key in Redis that lives only while the writer makes progress.

It is renewed by the loop that reads the stream, never by a timer of its own, so a writer that hangs loses it.
"""

import contextlib
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass, fields
from typing import Protocol

import orjson
import redis
from redis.client import Pipeline

from workers.sd_notify import notifier
from workers.stream import keys

logger = logging.getLogger(__name__)

LIFE_SECONDS = 4.0
"""A writer without progress for so long counts as down."""

RATE_LIFE_SECONDS = 30
"""How long a measured rate is believed."""

RENEW_SECONDS = 1.0

RATE_BATCH = 20
"""Size from which a batch tells the writer's rate; a smaller one tells the clients'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterState:
    """What the writer says of itself. Times are seconds since 1970."""

    host: str
    pid: int
    since: float
    progress_at: float
    """When it read the stream last."""
    committed_at: float | None
    """When it committed last, or None."""
    commits: int
    """Transactions since it started."""
    writes: int
    """Writes committed since it started."""
    error: str | None = None
    """Why it cannot commit now; None when it can."""


class Rider(Protocol):
    """What else goes to Redis with each heartbeat, in the same round trip. Redis may refuse it."""

    def board(self, pipeline: Pipeline) -> None:
        """Put one command on the way."""

    def arrived(self) -> None:
        """Note that Redis has done it; else it may have, or not."""


class Heartbeat:
    """Keeps the heartbeat of this process."""

    def __init__(self, client: redis.Redis, rider: Rider | None = None) -> None:
        self._client = client
        self._rider = rider
        self._is_refused = False  # what the rider sent last
        self._since = time.time()
        self._renewed = 0.0
        self._rated = 0.0
        self._error: str | None = None
        self._committed_at: float | None = None
        self._commits = 0
        self._writes = 0

    def renew(self, *, committed: int, error: str | None = None) -> None:
        """Note progress, `committed` being the size of the batch, and renew the key when it is due.

        A writer that waits for the store makes progress of its own kind: it says so at once, as `error`.
        """
        notifier.progress()  # to whoever watches this very process, also while Redis is away
        if committed:
            self._committed_at = time.time()
            self._commits += 1
            self._writes += committed
        if error == self._error and not self.is_due:
            return
        self._error = error
        state = WriterState(
            host=socket.gethostname(),
            pid=os.getpid(),
            since=self._since,
            progress_at=time.time(),
            committed_at=self._committed_at,
            commits=self._commits,
            writes=self._writes,
            error=error,
        )
        self._renewed = time.monotonic()
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(keys.heartbeat(), orjson.dumps(asdict(state)), px=int(LIFE_SECONDS * 1000))
        self._send(pipeline)

    @property
    def is_due(self) -> bool:
        """Whether the key is to be renewed."""
        return time.monotonic() - self._renewed >= RENEW_SECONDS

    def tick(self, error: str | None = None) -> None:
        """Note progress within a batch. Never fails: the batch must not, for want of this."""
        try:
            self.renew(committed=0, error=error)
        except redis.RedisError as exc:
            logger.warning("writer state=heartbeat-not-renewed error=%s", exc)

    def note_rate(self, *, writes: int, seconds: float) -> None:
        """Publish how fast the writer commits, from a batch large enough to tell."""
        now = time.monotonic()
        if writes >= RATE_BATCH and seconds > 0 and now - self._rated >= RENEW_SECONDS:
            self._rated = now
            with contextlib.suppress(redis.ResponseError):  # without a rate there is one limit less
                self._client.set(keys.rate(), round(writes / seconds), ex=RATE_LIFE_SECONDS)

    def stop(self) -> None:
        """Drop the key. Raises redis.RedisError."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.delete(keys.heartbeat())
        self._send(pipeline)

    def _send(self, pipeline: Pipeline) -> None:
        if self._rider is not None:
            self._rider.board(pipeline)
        state, *of_rider = pipeline.execute(raise_on_error=False)
        if isinstance(state, redis.ResponseError):  # out of memory, perhaps: what can be committed is
            logger.warning("writer state=heartbeat-not-renewed error=%s", state)
        for reply in of_rider:
            if not isinstance(reply, redis.ResponseError):
                self._rider.arrived()  # type: ignore[union-attr]  # whose command it is
            elif not self._is_refused:
                logger.warning("writer state=measures-not-kept error=%s", reply)
            self._is_refused = isinstance(reply, redis.ResponseError)


def read(client: redis.Redis) -> WriterState | None:
    """Return what the writer says of itself, or None when none is at work."""
    raw = client.get(keys.heartbeat())
    if raw is None:
        return None
    known = {field.name for field in fields(WriterState)}  # a writer of another version may say more
    return WriterState(**{name: value for name, value in orjson.loads(raw).items() if name in known})
