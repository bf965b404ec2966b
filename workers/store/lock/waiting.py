"""Who waits for the store lock in this process, and what is said of whom they wait for."""

import logging
from collections.abc import Callable

from workers.event_loop.bells import Bell
from workers.store.holder import Holder

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often who waits looks at whom it waits for."""

OnWait = Callable[[Holder, float], None]
"""Called each LOOK_SECONDS of a wait, with who holds the lock and for how many seconds one has queued."""


class Claim:
    """One caller that waits."""

    def __init__(self, ticket: int, bell: Bell, purpose: str, by: object) -> None:
        self.ticket = ticket
        self.bell = bell
        self.purpose = purpose
        self.by = by
        self.is_granted = False
        self.is_over = False
        """Whether nobody waits for it any more. It keeps its place until the thread has come past it."""


class Place:
    """In the queue, of somebody who gives up a wait and comes back to it."""

    ticket: int | None = None


class WaitLog:
    """Says in the log who keeps others waiting, once for each time that somebody holds the lock for long."""

    def __init__(self) -> None:
        self._named: tuple[int | None, float | None] = (None, None)

    def name(self, holder: Holder) -> None:
        if holder.held_seconds > LOOK_SECONDS and (holder.pid, holder.since) != self._named:
            self._named = (holder.pid, holder.since)
            logger.warning(
                "store-lock state=waited-for holder=%r pid=%s held_seconds=%.1f stopped=%s",
                holder.purpose,
                holder.pid,
                holder.held_seconds,
                holder.is_stopped,
            )
