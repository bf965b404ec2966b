"""Append writes to the stream: many in one round trip, each of them wholly or not at all."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workers.conf import settings
from workers.exceptions import StreamOfAnotherStore
from workers.store import identity
from workers.stream import keys
from workers.stream.scripts import source
from workers.writes import Write

CLAIM_SECONDS = 86_400
"""How long a claim on an idempotency key can outlive its write, should Redis lose the write."""

DOORBELL_MILLISECONDS = 1_000
"""How long a ring that was lost can keep others from ringing."""


class Fate(StrEnum):
    """What the stream did with one write."""

    ACCEPTED = "accepted"
    JOINED = "joined"
    """It is in the stream a second time: an earlier request with the same Idempotency-Key owns the write."""
    RUNNING = "running"
    """Not appended: an earlier request with this Idempotency-Key waits, and this one's caller does not."""
    FULL = "full"
    """Not appended: too many writes wait."""
    REUSED = "reused"
    """Not appended: the Idempotency-Key belongs to another request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The stream's reply to one write."""

    fate: Fate
    write_id: int | None = None
    """The write's place in the order; of the first one's for JOINED and RUNNING; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The stream's reply to several writes."""

    rings: bool
    """Whether the caller is the one to ring the doorbell."""
    writer_is_alive: bool
    replies: Sequence[Reply]
    """One for each write, in their order."""


class Appender:
    """The append script, for the store that this process has open."""

    script = source("append.lua")

    def __init__(self) -> None:
        """Raises StoreNotReady."""
        self._sha = hashlib.sha1(self.script.encode(), usedforsecurity=False).hexdigest()
        # Once, not for each write: a process has one store and one prefix.
        self._keys = [
            keys.stream(),
            keys.last_write_id(),
            keys.doorbell(),
            keys.heartbeat(),
            keys.stream_bytes(),
            keys.rate(),
            keys.owner(),
        ]
        self._claims = keys.claims()
        self._store = str(identity.current())
        # A test database must not take the stream of a service that is about to start.
        self._may_take = "0" if identity.is_test_run() else "1"

    def command(self, writes: Iterable[Write], *, known_id: int = 0) -> list[Any]:
        """Return the command that appends writes in order; each has its `payload`. Ids exceed `known_id`.

        A write with a fingerprint claims its Idempotency-Key. One with `reply_to` joins an earlier write with
        the same key. Redis replies NOSCRIPT while it does not know the script.
        """
        command: list[Any] = [
            "EVALSHA",
            self._sha,
            len(self._keys),
            *self._keys,
            settings.WRITE_STREAM_MAX_LENGTH,
            DOORBELL_MILLISECONDS,
            self._claims,
            CLAIM_SECONDS,
            settings.WRITE_STREAM_MAX_BYTES,
            settings.WRITE_MAX_ESTIMATED_WAIT_SECONDS,
            self._store,
            self._may_take,
            known_id,
        ]
        for write in writes:
            has_key = write.fingerprint is not None
            command += (
                write.payload,
                write.token if has_key else "",
                write.fingerprint or "",
                "0" if write.reply_to is None else "1",
            )
        return command


def appended(reply: list[Any]) -> Appended:
    """Return what the script's reply means. Raises StreamOfAnotherStore."""
    rings, writer_is_alive, *replies = reply
    if replies == [b"another_store"]:
        raise StreamOfAnotherStore
    return Appended(
        rings=bool(rings), writer_is_alive=bool(writer_is_alive), replies=[_reply(one) for one in replies]
    )


def _reply(text: bytes) -> Reply:
    """Return what a reply of append.lua means: `<id>`, or a word and perhaps an id."""
    if text.isdigit():
        return Reply(Fate.ACCEPTED, int(text))
    fate, _, write_id = text.decode().partition(" ")
    return Reply(Fate(fate), int(write_id) if write_id else None)
