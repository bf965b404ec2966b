"""Waits at the stream while the writer is idle, by Celery's own event loop, which goes on meanwhile.

A blocked XREAD tells that something is in the stream; it takes nothing, so nothing can be lost with it. The
writer then reads by its consumer group, as ever. See https://redis.io/docs/latest/commands/xread/.
"""

import logging
from collections.abc import Callable
from typing import Any

import redis

from workers.stream import keys
from workers.stream.redis_client import connect
from workers.writer.loop import REPLY_SECONDS

logger = logging.getLogger(__name__)


class StreamWait:
    """Calls back, once for each `begin`, when the stream holds something."""

    def __init__(self, hub: Any, on_something: Callable[[], None]) -> None:
        """`hub` is kombu's event loop."""
        self._hub = hub
        self._on_something = on_something
        self._connection: Any = None
        self._waits = False

    @property
    def waits(self) -> bool:
        """Whether it would notice a write that is accepted now."""
        return self._waits

    def begin(self) -> None:
        """Wait from now on. Raises redis.RedisError."""
        if self._waits:
            return
        if self._connection is None:
            self._connection = connect(timeout_seconds=REPLY_SECONDS).connection_pool.get_connection()
        try:
            # From its beginning: what was committed has left the stream, and the rest has to be done.
            self._connection.send_command("XREAD", "COUNT", 1, "BLOCK", 0, "STREAMS", keys.stream(), "0")
        except redis.RedisError:
            self.end()
            raise
        self._hub.add_reader(self._connection._sock.fileno(), self._something)
        self._waits = True

    def end(self) -> None:
        """Wait no longer."""
        connection, self._connection = self._connection, None
        if self._waits:
            self._waits = False
            self._hub.remove_reader(connection._sock.fileno())
        if connection is not None:
            connection.disconnect()  # which ends the blocked command

    def _something(self) -> None:
        self._waits = False
        self._hub.remove_reader(self._connection._sock.fileno())
        try:
            self._connection.read_response()
        except redis.RedisError as exc:
            logger.warning("writer state=disconnected error=%s", exc)
            self.end()
            return
        self._on_something()
