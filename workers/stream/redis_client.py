"""Connections to Redis. Each has time limits: a frozen Redis must never hold a request."""

import time
from functools import cache
from typing import Any

import redis
from django.conf import settings as django_settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.conf import settings

RECENT_SECONDS = 0.1
"""How long after its last reply a connection is taken for open without a look at its socket."""


class _TrustsRecentUse:
    """A connection that is not looked at again when it had a reply a moment ago.

    redis-py asks the socket before each command whether the server has closed it. Under gevent that question
    lets the loop go round once, which under load is 10 ms in which the command is not sent.
    """

    # Overrides what redis-py does not document as public. Tested with redis-py 8.1.0; the test in
    # tests/workers/stream/test_redis_client.py fails when a new version calls them no more.
    # Their `super()` is the connection of redis-py that stands behind this class in the bases.

    _used_at = float("-inf")

    def can_read(self: Any, timeout: float = 0) -> bool:
        if timeout == 0 and time.monotonic() - self._used_at < RECENT_SECONDS:
            return False
        readable: bool = super().can_read(timeout)  # type: ignore[misc]  # see above
        return readable

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().read_response(*args, **kwargs)  # type: ignore[misc]  # see above
        self._used_at = time.monotonic()
        return response


class _Connection(_TrustsRecentUse, redis.Connection):
    pass


class _SSLConnection(_TrustsRecentUse, redis.SSLConnection):
    pass


class _UnixDomainSocketConnection(_TrustsRecentUse, redis.UnixDomainSocketConnection):
    pass


_BY_SCHEME = {"redis": _Connection, "rediss": _SSLConnection, "unix": _UnixDomainSocketConnection}


def connect(*, timeout_seconds: float, url: str | None = None) -> redis.Redis:
    """Return a client whose every reply must come within `timeout_seconds`. Connects when first used.

    It never repeats a command by itself: an append that timed out may have been applied.
    """
    url = url or str(django_settings.REDIS_URL)
    return redis.Redis.from_url(
        url,
        # A scheme that is not known is redis-py's to refuse.
        connection_class=_BY_SCHEME.get(url.partition(":")[0], _Connection),
        socket_timeout=timeout_seconds,
        socket_connect_timeout=min(0.5, timeout_seconds),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=2,
    )


def shared_client() -> redis.Redis:
    """Return this process's client for reads about the stream (status, health)."""
    return _shared_client(str(django_settings.REDIS_URL))


@cache
def _shared_client(url: str) -> redis.Redis:
    return connect(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS, url=url)
