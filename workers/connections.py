"""Connections to Redis. Each has time limits: a frozen Redis must never hold a request."""

from functools import cache

import redis
from django.conf import settings as django_settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.conf import settings


def connect(*, timeout_seconds: float, url: str | None = None) -> redis.Redis:
    """Return a client whose every reply must come within `timeout_seconds`. Connects when first used.

    It never repeats a command by itself: an append that timed out may have been applied.
    """
    return redis.Redis.from_url(
        url or django_settings.REDIS_URL,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=min(0.5, timeout_seconds),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=2,
    )


@cache
def shared_client() -> redis.Redis:
    """Return this process's client for reads about the stream (status, health)."""
    return connect(timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS)
