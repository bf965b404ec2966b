"""How much of one client's large writes is in the stream at once: a share, not all of it.

Writes are committed in the order in which they were accepted, so whoever writes waits for what is in the
stream already. A client that posts large writes as fast as it can would fill it, and keep all others waiting.
Here its next large write is accepted once those before it have their outcomes. Small writes pass by. Each
process counts its own; of those that need more than half of a share there is one in all processes together.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

import redis

from workers.conf import settings, settings_of_tests
from workers.event_loop.bells import Bell, new_bell
from workers.exceptions import TooManyWaiting
from workers.store import request_transaction
from workers.stream import whole_share
from workers.stream.redis_client import shared_client
from workers.submission.client import submitter
from workers.submission.read_after import Progress

LARGE_BYTES = 4_096
"""Of a request's body, from which its write counts."""

LAPSE_SECONDS = 1.0
"""How long a write keeps its place at most: a writer that is held up must not keep others from acceptance."""

LOOK_SECONDS = 0.005
"""From one look to the next while another process submits a write, or waits for its outcome itself."""

CLIENTS = 1_000
"""Clients that are remembered; past it those are forgotten whose places have lapsed."""

NO_PLACE = (
    "Large writes of one client are taken one after the other, and this one was not in time, so nothing was "
    "accepted: try again soon."
)


@dataclass(eq=False, slots=True)
class Place:
    """One large write's part of its client's share."""

    size: int
    lapses_at: float = field(default_factory=lambda: time.monotonic() + LAPSE_SECONDS)
    keeps: int | None = None
    """The id of a write whose caller did not wait for the outcome: the place is kept until it has one."""


@dataclass(eq=False, slots=True)
class _Client:
    places: deque[Place] = field(default_factory=deque)
    queue: deque[Bell] = field(default_factory=deque)
    """Who waits for a place, in the order of coming. The first one looks for room, the others sleep."""

    def has_room(self, size: int) -> bool:
        taken = sum(place.size for place in self.places)
        return not taken or taken + size <= settings.WRITE_SHARE_BYTES


class Shares:
    """The shares of this process's clients. May be used from fibers and threads."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._lock = threading.Lock()

    @contextmanager
    def place(self, client: str, size: int, *, seconds: float) -> Iterator[Place | None]:
        """Wait for a place and hold it in the block, and beyond it where it `keeps` one.

        Gives None for what needs no place. Raises TooManyWaiting when there was none within the time.
        """
        if size < LARGE_BYTES or not settings.WRITE_SHARE_BYTES:
            yield None
            return
        with request_transaction.left_for_writer() as can_commit:
            deadline = time.monotonic() + (seconds if can_commit else 0.0)
            one, place = self._entered(client, size, deadline)
        try:
            # Two of them have no room in one share, so neither have those of two processes.
            is_whole = 2 * size > settings.WRITE_SHARE_BYTES and not settings_of_tests.WRITE_SUBMITTER
            with _whole_share(client, place, deadline) if is_whole else nullcontext():
                yield place
        finally:
            self._leave(client, one, place)

    def _entered(self, name: str, size: int, deadline: float) -> tuple[_Client, Place]:
        bell = new_bell()
        with self._lock:
            self._forget_lapsed()
            client = self._clients.setdefault(name, _Client())
            if len(client.queue) >= settings.WRITE_MAX_WAITING:
                raise TooManyWaiting
            client.queue.append(bell)
        try:
            while (place := self._take(client, bell, size)) is None:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TooManyWaiting(NO_PLACE)
                self._wait(client, bell, remaining)
            return client, place
        finally:
            with self._lock:
                client.queue.remove(bell)
                _ring_first(client)

    def _take(self, client: _Client, bell: Bell, size: int) -> Place | None:
        with self._lock:
            if client.queue[0] is not bell or not client.has_room(size):
                return None
            place = Place(size)
            client.places.append(place)
            return place

    def _wait(self, client: _Client, bell: Bell, seconds: float) -> None:
        """Wait until there may be room."""
        with self._lock:
            oldest = client.places[0] if client.queue[0] is bell and client.places else None
        if oldest is None:
            bell.sleep(seconds)
            return
        limit = max(0.0, min(seconds, oldest.lapses_at - time.monotonic()))
        if oldest.keeps is None:
            bell.sleep(limit)  # whoever has it rings when its outcome is there
            is_over = False
        else:
            is_over = _is_over(oldest.keeps, limit)
        if is_over or time.monotonic() >= oldest.lapses_at:
            with self._lock:
                _drop(client, oldest)

    def _leave(self, name: str, client: _Client, place: Place) -> None:
        with self._lock:
            if place.keeps is None:
                _drop(client, place)
            _ring_first(client)  # also where it is kept: now it is known for which write
            # Not another one of the name, which came when this one was forgotten.
            if not client.places and not client.queue and self._clients.get(name) is client:
                del self._clients[name]

    def _forget_lapsed(self) -> None:
        if len(self._clients) < CLIENTS:
            return
        now = time.monotonic()
        for name, client in list(self._clients.items()):
            if not client.queue and all(place.lapses_at < now for place in client.places):
                del self._clients[name]


@contextmanager
def _whole_share(client: str, place: Place, deadline: float) -> Iterator[None]:
    """Have the share of a client in all processes in the block; and for the write that the place is kept for.

    Raises TooManyWaiting.
    """
    mark = f"{secrets.token_hex(8)}-"  # no write's id
    redis_client, bell, through = shared_client(), new_bell(), ""
    try:
        with request_transaction.left_for_writer():
            while holder := whole_share.take(
                redis_client, client, mark, through=through, seconds=LAPSE_SECONDS
            ):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TooManyWaiting(NO_PLACE)
                if not holder.isdecimal():
                    bell.sleep(min(remaining, LOOK_SECONDS))
                elif _is_over(int(holder), min(remaining, LAPSE_SECONDS)):
                    through = holder
    except redis.RedisError:
        pass  # who submits the write is told of it
    try:
        yield
    finally:
        with suppress(redis.RedisError):
            kept = str(place.keeps or "")  # by the write that was submitted, else by nobody
            whole_share.take(redis_client, client, kept, through=mark, seconds=LAPSE_SECONDS)


def _drop(client: _Client, place: Place) -> None:
    if place in client.places:
        client.places.remove(place)


def _ring_first(client: _Client) -> None:
    if client.queue:
        client.queue[0].ring()


def _is_over(write_id: int, seconds: float) -> bool:
    """Wait for the outcome of a write, within a limit; return whether it is there."""
    try:
        return submitter().wait_until_committed(write_id, seconds) is not Progress.WAITING
    except redis.RedisError:
        return True  # the next write is told of it


shares = Shares()
"""Of this process."""
