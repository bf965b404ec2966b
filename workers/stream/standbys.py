"""Who stands by: each worker that waits for the lease says so in Redis, as long as it looks.

A set in Redis, sorted by when each said so last, by Redis's clock; who has fallen silent leaves it.
"""

import os
import socket
from typing import Any

import redis

from workers.stream import keys
from workers.stream.scripts import source

LIFE_SECONDS = 4.0
"""Who has not said so for so long does not count."""

RENEW_SECONDS = 1.0


def note(client: redis.Redis) -> None:
    """Say that this process stands by. Raises redis.RedisError."""
    _asked(client, f"{socket.gethostname()}:{os.getpid()}")


def standing_by(client: redis.Redis) -> list[str]:
    """Return who stands by, each as `host:pid`. Raises redis.RedisError.

    Whoever has just become the writer is among them for a few seconds.
    """
    return sorted(name.decode(errors="replace") for name in _asked(client, ""))


def _asked(client: redis.Redis, name: str) -> list[bytes]:
    reply: Any = client.eval(
        source("standbys.lua"), 1, keys.standbys(), str(round(LIFE_SECONDS * 1000)), name
    )
    return list(reply)
