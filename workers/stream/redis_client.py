"""Connections to Redis. Each has time limits: a frozen Redis must never hold a request."""

from functools import cache
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.conf import settings
from workers.event_loop.lanes import Busy, beside_loop
from workers.service_settings import place
from workers.stream.redis_pools import CONNECT_SECONDS, Pool


class Client(redis.Redis):
    """redis-py's client. In a fiber its commands, which block, are sent from a thread beside the loop."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return beside_loop(super().execute_command, *args, **options)
        except Busy:  # others wait for a Redis that does not reply
            raise redis.TimeoutError("no thread was free in time") from None


def connect(*, timeout_seconds: float, url: str | None = None) -> redis.Redis:
    """Return a client whose every reply must come within `timeout_seconds`. Connects when first used.

    It never repeats a command by itself: an append that timed out may have been applied.
    """
    pool = Pool.from_url(
        url or place.REDIS_URL,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=min(CONNECT_SECONDS, timeout_seconds),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=2,
    )
    return Client.from_pool(pool)


def shared_client() -> redis.Redis:
    """Return this process's client for reads about the stream (status, health)."""
    return _shared_client(place.REDIS_URL)


@cache
def _shared_client(url: str) -> redis.Redis:
    return connect(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS, url=url)
