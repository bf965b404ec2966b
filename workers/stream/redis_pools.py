"""Pools of connections to an address of Redis, which redis-py makes: to one server, or to the present master.

Sentinels are asked for the master whenever a connection is opened. A connection to a master that has become
a replica is of no use: Sentinel cuts those that it can reach, and on any other the first write tells.
See https://redis.io/docs/latest/develop/reference/sentinel-clients/.
"""

import socket
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as RetryOnLoop
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.redis_address import RedisAddress, names_sentinels, parse

# Their arguments have no types in redis-py.
_Sentinel: Any = redis.sentinel.Sentinel
_RedisSentinelPool: Any = redis.sentinel.SentinelConnectionPool
_SentinelOnLoop: Any = redis.asyncio.sentinel.Sentinel
_SentinelPoolOnLoop: Any = redis.asyncio.sentinel.SentinelConnectionPool

CONNECT_SECONDS = 0.5
"""Longest wait for a connection, unless the caller waits for less in all."""

CUT_OFF_SECONDS = 3
"""When the kernel gives a connection up whose other host acknowledges nothing. One that is only slow does."""

_TCP_OPTIONS = {
    # Also where nothing is sent: the writer waits at the stream, and the worker for its broker.
    "TCP_KEEPIDLE": 1,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": CUT_OFF_SECONDS - 1,
    "TCP_USER_TIMEOUT": CUT_OFF_SECONDS * 1000,
}
"""See https://man7.org/linux/man-pages/man7/tcp.7.html. Not every system has all of them."""

KEEPALIVE: dict[str, Any] = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _TCP_OPTIONS.items() if hasattr(socket, name)
    },
}
"""Arguments of redis-py and kombu."""


def says_replica(reply: object) -> bool:
    """Say whether Redis has refused a command because it is a replica."""
    if isinstance(reply, redis.ReadOnlyError):
        return True
    # Where a script was refused, Redis 6.2 says so behind words of its own.
    return isinstance(reply, redis.ResponseError) and "READONLY" in str(reply)


class _Connection(redis.sentinel.SentinelManagedConnection):
    """Ends when the master at its other end has become a replica, also where a script finds out."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except redis.ResponseError as exc:
            if not says_replica(exc):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
            raise redis.ConnectionError("the former master is a replica now") from exc


class _TLSConnection(_Connection, redis.SSLConnection):
    pass


class _ConnectionOnLoop(redis.asyncio.sentinel.SentinelManagedConnection):
    """Leaves it to whoever reads to end: redis-py's would ask a pool that is gone by then."""

    read_response = redis.asyncio.Connection.read_response  # type: ignore[assignment]  # as in its base's base


class _TLSConnectionOnLoop(_ConnectionOnLoop, redis.asyncio.SSLConnection):
    pass


class _SentinelPool(_RedisSentinelPool):
    """Ends also the connections to the Sentinels that were asked, which redis-py's leaves open."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if not inuse_connections:  # another master was found, by the Sentinel that is being asked
            return
        for sentinel in self.sentinel_manager.sentinels:
            sentinel.close()


class Pool:
    """Makes the pool of blocking connections that an address calls for, as Django's cache asks for one."""

    @staticmethod
    def from_url(url: str, **options: Any) -> redis.ConnectionPool:
        """Return a pool. `options` are redis-py's of a connection. Raises ValueError."""
        options = _of_network(url) | options
        if not names_sentinels(url):
            return redis.ConnectionPool.from_url(url, **options)
        address = parse(url)
        each = _of_each_sentinel(address, options) | {"retry": Retry(NoBackoff(), 0)}
        kind = _Connection if address.tls is None else _TLSConnection
        given = {**address.of_master, **options, "connection_class": kind}
        sentinel = _Sentinel(address.sentinels, sentinel_kwargs=each)
        pool: redis.ConnectionPool = _SentinelPool(address.master, sentinel, **given)
        return pool


class PoolOnLoop:
    """A pool of connections on an event loop, and those to the Sentinels that were asked for it."""

    def __init__(self, url: str, **options: Any) -> None:
        """`options` are redis-py's of a connection."""
        options = _of_network(url) | options
        self._sentinel: Any = None
        self.pool: Any
        if not names_sentinels(url):
            self.pool = redis.asyncio.ConnectionPool.from_url(url, **options)
            return
        address = parse(url)
        each = _of_each_sentinel(address, options) | {"retry": RetryOnLoop(NoBackoff(), 0)}
        kind = _ConnectionOnLoop if address.tls is None else _TLSConnectionOnLoop
        given = {**address.of_master, **options, "connection_class": kind}
        self._sentinel = _SentinelOnLoop(address.sentinels, sentinel_kwargs=each)
        self.pool = _SentinelPoolOnLoop(address.master, self._sentinel, **given)

    async def forget_sentinels(self) -> None:
        """Close the connections to them; the one to the master stays."""
        if self._sentinel is not None:
            await self._sentinel.aclose()


def broker_options(address: RedisAddress, **options: Any) -> dict[str, Any]:
    """Return the transport options that kombu needs beside `broker_url`: the master, and when to give it up.

    `options` are redis-py's of its connections.
    """
    if not address.sentinels:
        return dict(KEEPALIVE)  # which kombu leaves out for a socket of Unix
    each = _of_each_sentinel(address, options) | {"retry": Retry(NoBackoff(), 0)}
    return {"master_name": address.master, "sentinel_kwargs": each, **KEEPALIVE}


def _of_network(url: str) -> dict[str, Any]:
    return {} if url.startswith("unix:") else KEEPALIVE


def _of_each_sentinel(address: RedisAddress, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for a Sentinel; all of them together have the time of one command."""
    limit = options.get("socket_timeout") or CONNECT_SECONDS
    share = min(CONNECT_SECONDS, limit / (len(address.sentinels) + 1))
    return {**address.of_each_sentinel, "socket_timeout": share, "socket_connect_timeout": share}
