"""A link: one connection to Redis on an event loop. Commands go out at once, replies come in their order.

redis-py connects (address, TLS, password, database) and parses; the order of replies is kept here, so that
many commands may be under way. Messages of channels come over the same connection (RESP3: Redis 6 or newer).
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
from hiredis import PushNotification
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from workers.service_settings import place
from workers.stream.redis_pools import CONNECT_SECONDS, PoolOnLoop, says_replica

logger = logging.getLogger(__name__)

Then = Callable[[Any], None]
"""Takes the reply to one command, or the redis.RedisError that stands for it; must not raise."""


class Link:
    """An open connection. Every reply comes within `timeout_seconds`, or the link is lost."""

    def __init__(
        self,
        connection: AbstractConnection,
        *,
        timeout_seconds: float,
        on_message: Callable[[list[Any]], None],
        on_lost: Callable[[redis.RedisError], None],
    ) -> None:
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._awaited: deque[tuple[float, Then]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._reader = self._loop.create_task(self._read())
        # Also where its loop ends without a `close`: it cancels all tasks, and afterwards nobody could.
        self._reader.add_done_callback(lambda _: _drop(connection))

    @property
    def is_waiting(self) -> bool:
        """Whether a reply is due."""
        return bool(self._awaited)

    def send(self, *command: Any, then: Then) -> None:
        """Send a command. `then` gets its reply, or ConnectionError or TimeoutError when none will come."""
        self._awaited.append((self._loop.time(), then))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout_seconds, self._look_at_the_clock)
        # redis-py's own way waits for the buffer to drain; here somebody waits for the replies anyway.
        writer: Any = self._connection._writer
        writer.writelines(self._connection.pack_command(*command))

    def close(self, error: redis.RedisError | None = None) -> None:
        """End the link; who still waits for a reply gets the error."""
        self._end(error or redis.ConnectionError("closed"))

    async def _read(self) -> None:
        try:
            while True:
                self._hand_out(await self._reply())
        except redis.RedisError as exc:
            self._lose(exc)
        except OSError as exc:
            self._lose(redis.ConnectionError(str(exc)))
        except Exception as exc:  # whoever waits hears nothing else: a new link must follow, whatever it was
            logger.exception("link state=broken")
            self._lose(redis.ConnectionError(repr(exc)))

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(
                timeout=math.inf, push_request=True, disconnect_on_error=False
            )
        except (redis.ResponseError, redis.BusyLoadingError) as exc:
            return exc

    def _hand_out(self, reply: Any) -> None:
        if isinstance(reply, PushNotification):
            self._on_message(reply)
        elif self._awaited:
            self._awaited.popleft()[1](reply)
            if says_replica(reply):
                raise redis.ConnectionError("this Redis is a replica now")

    def _look_at_the_clock(self) -> None:
        self._watch = None
        if not self._awaited:
            return
        left = self._awaited[0][0] + self._timeout_seconds - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look_at_the_clock)
            return
        self._lose(redis.TimeoutError(f"no reply within {self._timeout_seconds:g} s"))

    def _lose(self, error: redis.RedisError) -> None:
        # First told of, so that nobody who hears of its own reply sends on this link again.
        self._on_lost(error)
        self._end(error)

    def _end(self, error: redis.RedisError) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if asyncio.current_task() is not self._reader:
            self._reader.cancel()
        _drop(self._connection)
        while self._awaited:
            self._awaited.popleft()[1](error)


async def open_link(
    channel: str,
    *,
    timeout_seconds: float,
    on_message: Callable[[list[Any]], None],
    on_lost: Callable[[redis.RedisError], None],
) -> Link:
    """Connect to Redis and subscribe the channel. Raises redis.RedisError within `timeout_seconds`."""
    pool = PoolOnLoop(
        place.REDIS_URL,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=min(CONNECT_SECONDS, timeout_seconds),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=3,
    )
    connection: Any = pool.pool.make_connection()
    try:
        async with asyncio.timeout(timeout_seconds):
            await connection.connect()
            await connection.send_command("SUBSCRIBE", channel)
            # Before anything else is sent: what forbids it would be taken for the reply to something else.
            await connection.read_response(push_request=True)
    except BaseException as exc:
        _drop(connection)
        if isinstance(exc, TimeoutError | OSError):
            raise redis.TimeoutError(f"not connected within {timeout_seconds:g} s") from exc
        raise
    finally:
        await pool.forget_sentinels()
    return Link(connection, timeout_seconds=timeout_seconds, on_message=on_message, on_lost=on_lost)


def _drop(connection: AbstractConnection) -> None:
    """Close at once, whatever is still to be sent."""
    writer, connection._writer, connection._reader = connection._writer, None, None
    if writer is not None:
        writer.transport.abort()
