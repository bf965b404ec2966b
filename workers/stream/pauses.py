"""The pause: how an operator asks the writer to give the lease back, until `resume` or a limit.

A key in Redis that expires by itself, so that no pause lasts for ever.
"""

from dataclasses import asdict, dataclass

import orjson
import redis

from workers.stream import keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause that was asked for."""

    by: str
    """Who asked, for people to read."""
    until: float
    """When it ends at the latest, in seconds since 1970 by the clock of who asked."""


def request(client: redis.Redis, pause: Pause, *, seconds: float) -> None:
    """Ask the writer to pause, for `seconds` at most."""
    client.set(keys.pause(), orjson.dumps(asdict(pause)), px=max(1, round(seconds * 1000)))


def withdraw(client: redis.Redis) -> bool:
    """Take a request back; return whether there was one."""
    return bool(client.delete(keys.pause()))


def requested(client: redis.Redis) -> Pause | None:
    """Return the pause that is asked for, if any."""
    raw = client.get(keys.pause())
    if raw is None:
        return None
    content = orjson.loads(raw)
    return Pause(by=content["by"], until=content["until"])
