"""Each process listens for the outcomes of its own writes.

Announcements can be lost (pub/sub keeps nothing); receipts cannot, so whoever may have missed one looks
there. All of it happens on the submitter's event loop, but for `expect` and `forget`.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from django.db import connections

from workers.store import receipts
from workers.store.receipts import Known
from workers.stream import outcomes
from workers.writes import Outcome, Write

logger = logging.getLogger(__name__)

QUIET_SECONDS = 1.0
"""Silence after which the receipts of waiting requests are looked up, in case an announcement was lost."""


class Waiter(Protocol):
    """Whoever waits for an outcome."""

    @property
    def write(self) -> Write: ...

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome and wake up."""


class Listener:
    """Wakes each waiter once, by its outcome."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(4)
        self._waiters: dict[int, Waiter] = {}
        self._has_heard = False
        self._looks_up = False
        self._is_closed = False
        # Reading the store blocks, and the thread has a connection of its own.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="receipts")

    def expect(self, number: int, waiter: Waiter) -> None:
        self._waiters[number] = waiter

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    def forget(self, number: int) -> None:
        self._waiters.pop(number, None)

    def close(self, *, waits: bool) -> None:
        """Let go of the store. `waits` until that is done."""
        self._is_closed = True
        # In the thread that opened it: a connection left open would keep its store's log from being removed.
        self._reader.submit(connections.close_all)
        self._reader.shutdown(wait=waits)

    def hear(self, message: bytes) -> None:
        """Take an announcement."""
        self._has_heard = True
        for number, outcome in outcomes.announced(message):
            waiter = self._waiters.pop(number, None)
            if waiter is not None:
                waiter.settle(outcome)

    def was_silent(self) -> bool:
        """Return whether nothing was heard since this was asked last."""
        was_silent, self._has_heard = not self._has_heard, False
        return was_silent

    async def last_settled(self) -> int:
        """Return the highest id that has a receipt; 0 where that cannot be read."""
        if self._is_closed:
            return 0
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, receipts.last_write_id)
        except Exception:  # Redis has a clock and its own last id; this only makes up for losing both
            logger.exception("outcomes state=store-unreadable")
            return 0

    def catch_up(self) -> None:
        """Settle from receipts whatever was committed while nobody listened."""
        if not self._waiters or self._looks_up:
            return
        self._looks_up = True
        asyncio.get_running_loop().create_task(self._catch_up())

    async def _catch_up(self) -> None:
        if self._is_closed:
            return
        waiting = list(self._waiters.items())
        tokens = [waiter.write.token for _, waiter in waiting]
        try:
            known = await asyncio.get_running_loop().run_in_executor(self._reader, receipts.find, tokens)
        except Exception:  # each of them looks once more for itself when its time is up
            logger.exception("outcomes state=store-unreadable waiting=%s", len(waiting))
        else:
            self._settle(waiting, known)
        finally:
            self._looks_up = False

    def _settle(self, waiting: list[tuple[int, Waiter]], known: Mapping[str, Known]) -> None:
        for number, waiter in waiting:
            receipt = known.get(waiter.write.token)
            # Another request may have reused the key: its verdict is the writer's to announce.
            if receipt is None or receipt.fingerprint != waiter.write.fingerprint:
                continue
            if self._waiters.pop(number, None) is not None:
                waiter.settle(receipt.outcome)
