"""Asks Redis whether enough replicas have what was appended, before anybody calls it accepted.

WAIT tells of all that its connection has written, and what is sent behind it is carried out after it. So
one is under way at a time, and what is appended meanwhile is asked about together: no append is sent later
for it, however far away a replica is. See https://redis.io/docs/latest/commands/wait/.
"""

from collections.abc import Callable
from typing import Any

from workers.conf import settings
from workers.stream.link import Link

Told = Callable[[Any], None]
"""Takes how many replicas have it, or the redis.RedisError that stands for the number."""

SHARE = 0.5
"""Of the time for a reply, which a WAIT may take: what is sent behind it has the same time."""


class Confirmation:
    """The question of one link, for all of its appends."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held: list[Told] = []
        self._asks = False

    def ask(self) -> None:
        """Ask about all that was sent before this call, unless a question is under way."""
        if self._asks:
            return
        self._asks = True
        milliseconds = max(1, round(settings.WRITE_SUBMIT_TIMEOUT_SECONDS * SHARE * 1000))
        self._link.send("WAIT", settings.WRITE_ACCEPT_REPLICAS, milliseconds, then=self._take)

    def hold(self, told: Told) -> None:
        """Have somebody told, whose append has just got its reply.

        Replies come in the order of the commands, so a question under way was asked after that append.
        """
        self._held.append(told)
        self.ask()

    def _take(self, reply: Any) -> None:
        self._asks = False
        held, self._held = self._held, []
        for told in held:
            told(reply)
