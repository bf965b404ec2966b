"""Pauses: how others ask the writer to give the lease back for a while.

Two kinds, each a key in Redis that expires by itself, so that no pause outlives the one who asked for it:
an operator's, which lasts until `resume` or its limit, and a command's, which lasts only until the command
holds the lease (from then on the lease itself keeps the writer waiting).
"""

from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson
import redis

from workers import keys


class Kind(StrEnum):
    """Who asks."""

    OPERATOR = "operator"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause that was asked for."""

    kind: Kind = Kind.OPERATOR
    by: str
    """Who asked, for people to read."""
    until: float
    """When it ends at the latest, in seconds since 1970 by the clock of who asked."""


def request(client: redis.Redis, kind: Kind, pause: Pause, *, seconds: float) -> None:
    """Ask the writer to pause, for `seconds` at most."""
    client.set(keys.pause(kind), orjson.dumps(asdict(pause)), px=max(1, round(seconds * 1000)))


def withdraw(client: redis.Redis, kind: Kind) -> bool:
    """Take a request back; return whether there was one."""
    return bool(client.delete(keys.pause(kind)))


def requested(client: redis.Redis) -> Pause | None:
    """Return the pause that is asked for, if any; an operator's before a command's."""
    for kind, raw in zip(Kind, client.mget([keys.pause(kind) for kind in Kind]), strict=True):
        if raw:
            return Pause(**orjson.loads(raw) | {"kind": kind})
    return None
