"""Each web process listens for the outcomes of its own writes.

Announcements can be lost (pub/sub keeps nothing); receipts cannot, so whoever may have missed one looks
there.
"""

import logging
import secrets
import threading
import time
from typing import Protocol

import redis

from workers.store import receipts
from workers.stream import keys, outcomes
from workers.stream.redis_client import connect
from workers.writes import Outcome, Write

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.1
"""Pause between attempts to reach Redis; the requests that wait meanwhile look at their receipts."""

QUIET_SECONDS = 1.0
"""Silence after which the receipts of waiting requests are looked up, in case an announcement was lost."""


class Waiter(Protocol):
    """Whoever waits for an outcome."""

    @property
    def write(self) -> Write: ...

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome and wake up."""


class Listener:
    """Receives this process's outcomes in one thread and wakes each waiter once."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(4)
        self._waiters: dict[int, Waiter] = {}
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()

    def expect(self, number: int, waiter: Waiter) -> None:
        self._waiters[number] = waiter

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    def forget(self, number: int) -> None:
        self._waiters.pop(number, None)

    def ensure_listening(self, *, timeout_seconds: float) -> bool:
        """Return whether announcements are received, starting the thread when needed.

        To be called before a write is appended: an outcome announced earlier would be missed.
        """
        if self._listening.is_set():
            return True
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)
                self._thread.start()
        return self._listening.wait(timeout_seconds)

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError) as exc:
                if self._listening.is_set():
                    logger.warning("outcomes state=disconnected error=%s", exc)
            except Exception:  # this thread is all that wakes requests: it must outlive any error
                logger.exception("outcomes state=broken")
            self._listening.clear()
            self._catch_up()
            time.sleep(RECONNECT_SECONDS)

    def _listen(self) -> None:
        client = connect(timeout_seconds=QUIET_SECONDS)
        with client, client.pubsub() as pubsub:  # type: ignore[no-untyped-call]  # untyped in redis-py
            pubsub.subscribe(keys.outcomes(self.process))
            while True:
                message = pubsub.get_message(timeout=QUIET_SECONDS)
                if message is None:
                    pubsub.ping()  # notices a connection that is dead but not closed
                    self._catch_up()
                elif message["type"] == "subscribe":
                    self._listening.set()
                    self._catch_up()
                elif message["type"] == "message":
                    self._receive(message["data"])

    def _receive(self, data: bytes) -> None:
        for number, outcome in outcomes.announced(data):
            waiter = self._waiters.pop(number, None)
            if waiter is not None:
                waiter.settle(outcome)

    def _catch_up(self) -> None:
        """Settle from receipts whatever was committed while nobody listened."""
        waiting = list(self._waiters.items())
        if not waiting:
            return
        try:
            known = receipts.find(waiter.write.token for _, waiter in waiting)
        except Exception:  # each of them looks once more for itself when its time is up
            logger.exception("outcomes state=store-unreadable waiting=%s", len(waiting))
            return
        for number, waiter in waiting:
            receipt = known.get(waiter.write.token)
            # Another request may have reused the key: its verdict is the writer's to announce.
            if receipt is None or receipt.fingerprint != waiter.write.fingerprint:
                continue
            if self._waiters.pop(number, None) is not None:
                waiter.settle(receipt.outcome)
