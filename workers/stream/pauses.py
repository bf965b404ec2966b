"""Pauses: how others ask the writer to give the lease back for a while.

Two kinds, each a key in Redis that expires by itself, so that no pause outlives the one who asked for it:
an operator's, which lasts until `resume` or its limit, and a command's, which lasts only until the command
holds the lease (from then on the lease itself keeps the writer waiting).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson
import redis

from workers.stream import doorbell, keys, ownership
from workers.stream.redis_client import connect


class PauseKind(StrEnum):
    """Who asks."""

    OPERATOR = "operator"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause that was asked for."""

    kind: PauseKind = PauseKind.OPERATOR
    by: str
    """Who asked, for people to read."""
    until: float
    """When it ends at the latest, in seconds since 1970 by the clock of who asked."""


def request(client: redis.Redis, kind: PauseKind, pause: Pause, *, seconds: float) -> None:
    """Ask the writer to pause, for `seconds` at most."""
    client.set(keys.pause(kind), orjson.dumps(asdict(pause)), px=max(1, round(seconds * 1000)))


def withdraw(client: redis.Redis, kind: PauseKind) -> bool:
    """Take a request back; return whether there was one."""
    return bool(client.delete(keys.pause(kind)))


def requested(client: redis.Redis) -> Pause | None:
    """Return the pause that is asked for, if any; an operator's before a command's."""
    for kind, raw in zip(PauseKind, client.mget([keys.pause(kind) for kind in PauseKind]), strict=True):
        if raw:
            return Pause(**orjson.loads(raw) | {"kind": kind})
    return None


@contextmanager
def asked_for(purpose: str, seconds: float) -> Iterator[None]:
    """Ask the writer to pause while the block runs, for a command that wants the lease.

    Raises redis.RedisError.
    """
    with connect(timeout_seconds=2.0) as client:
        # Another store's writer does not hold this lease. While nothing is known, whoever asks may be the
        # very `migrate` that makes it known.
        asks = not ownership.is_known_to_be_anothers(client)
        try:
            if asks:
                pause = Pause(by=purpose, until=time.time() + seconds)
                request(client, PauseKind.COMMAND, pause, seconds=seconds)
                doorbell.ring()
            yield
        finally:
            if asks:
                withdraw(client, PauseKind.COMMAND)
