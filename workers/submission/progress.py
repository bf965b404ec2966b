"""How far the writer has come, as it says after each batch; followed while anybody waits for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from workers.conf import settings
from workers.event_loop.bells import Bell, new_bell
from workers.stream import keys
from workers.stream.link import Link, open_link

RECONNECT_SECONDS = 0.1


class ProgressChannel:
    """Wakes who waits for a write once it is through, and whenever that may have been missed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._followers: dict[Bell, int] = {}
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None

    @contextmanager
    def followed(self, write_id: int) -> Iterator[Bell]:
        """Give a bell that rings when the write may be through: ask, and sleep on if it is not."""
        bell = new_bell()
        self._followers[bell] = write_id
        self._loop.call_soon_threadsafe(self._begin, bell)
        try:
            yield bell
        finally:
            self._followers.pop(bell, None)
            self._loop.call_soon_threadsafe(self._end)

    def close(self) -> None:
        """End the connection. To be called on the loop, last of all."""
        self._followers.clear()
        if self._opening is not None:
            self._opening.cancel()
        self._end()

    def _begin(self, bell: Bell) -> None:
        if self._link is not None:
            bell.ring()  # the batch may have passed since it was asked for
        elif self._opening is None and self._followers:
            self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            while self._followers:
                try:
                    self._link = await open_link(
                        keys.progress(),
                        timeout_seconds=settings.WRITE_SUBMIT_TIMEOUT_SECONDS,
                        on_message=self._hear,
                        on_lost=self._lost,
                    )
                    break
                except redis.RedisError:
                    self._ring_all()  # whoever asks Redis now is told that it does not respond
                    await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            self._opening = None
        self._ring_all()
        self._end()

    def _hear(self, message: list[Any]) -> None:
        if message[0] == b"message":
            passed = int(message[2])
            for bell, write_id in list(self._followers.items()):
                if write_id <= passed:
                    bell.ring()

    def _lost(self, error: redis.RedisError) -> None:
        self._link = None
        self._ring_all()
        if self._followers and self._opening is None:
            self._opening = self._loop.create_task(self._open())

    def _ring_all(self) -> None:
        for bell in list(self._followers):
            bell.ring()

    def _end(self) -> None:
        if self._link is not None and not self._followers:
            link, self._link = self._link, None
            link.close()
