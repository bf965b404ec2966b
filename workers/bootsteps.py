"""What makes a Celery worker the writer: the lease, the standby, the periodic ring.

See https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer-bootsteps.
"""

import logging
import sys
import time
from typing import Any

import redis
from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from kombu import Connection

from workers import tasks
from workers.tenure import Tenure
from workers.writer import REPLY_SECONDS

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""How often a standby looks whether the lease is free; it must take over within a second."""

RING_SECONDS = 1.0
"""How often the writer rings for itself, which makes up for a lost ring and proves that it can work."""

_tenure = Tenure()
"""One for the process: Celery makes its bootsteps anew after each reconnection."""


class WriterStep(bootsteps.StartStopStep):
    """Consumes doorbells while this process is the writer, and stands by otherwise."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None
        self._consumes = True
        self._ring_at = 0.0

    def start(self, consumer: Any) -> None:
        """Begin to look for the lease. Called again after each reconnection."""
        self._cancel_timer()
        tasks.employ(_tenure)
        self._consumes = True
        self._timer = consumer.timer.call_repeatedly(TICK_SECONDS, self._tick, (consumer,))
        self._tick(consumer)

    def stop(self, consumer: Any) -> None:
        self._cancel_timer()

    def terminate(self, consumer: Any) -> None:
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, consumer: Any) -> None:
        """Take the lease if it is free; consume doorbells only with it; ring for this writer itself."""
        was_writer = _tenure.writer is not None
        try:
            is_writer = _tenure.try_begin()
        except redis.RedisError as exc:
            logger.warning("writer state=waits-for-redis error=%s", exc)
            return
        self._consume(consumer, is_writer)
        if is_writer and (not was_writer or time.monotonic() >= self._ring_at):
            self._ring_at = time.monotonic() + RING_SECONDS
            tasks.ring()

    def _consume(self, consumer: Any, is_writer: bool) -> None:
        """Take doorbells, or leave them to the lease's holder."""
        if is_writer == self._consumes:
            return
        self._consumes = is_writer
        if is_writer:
            for name in consumer.app.amqp.queues:
                consumer.add_task_queue(name)
            return
        for queue in list(consumer.task_consumer.queues):
            consumer.cancel_task_queue(queue)
        holder = _tenure.lease.holder() or {}
        logger.warning("writer state=standby holder=%s purpose=%s", holder.get("pid"), holder.get("purpose"))


class PromptConnection(Connection):
    """Looks for a lost broker again at once, then every second; kombu's own pauses grow to 30 s."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(
            *args, **({"interval_start": 0.1, "interval_step": 0.2, "interval_max": 1} | kwargs)
        )


class PromptAMQP(AMQP):
    Connection = PromptConnection


def make_writer(app: Celery) -> None:
    """Make every worker of this app a writer. Called once, where the app is made."""
    app.steps["consumer"].add(WriterStep)
    signals.worker_init.connect(_prepare, weak=False)
    signals.worker_shutdown.connect(_retire, weak=False)


def _prepare(sender: Any, **_: object) -> None:
    """Give the worker more patience with Redis than a request has, and refuse wrong flags."""
    sender.app.conf.broker_transport_options["socket_timeout"] = REPLY_SECONDS
    _refuse_wrong_flags(sender)


def _refuse_wrong_flags(sender: Any) -> None:
    """Stop a worker that would run several tasks at once: there is one transaction at a time."""
    pool = getattr(sender.pool_cls, "__module__", "")
    if pool != "celery.concurrency.solo" or sender.concurrency not in (0, 1, None):
        sys.exit(
            "The writer runs one task at a time: start it with --pool solo --concurrency 1 "
            f"(got {pool.rpartition('.')[2]}, concurrency {sender.concurrency})."
        )


def _retire(**_: object) -> None:
    _tenure.end(reason="shutdown")
