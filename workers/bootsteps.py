"""What makes a Celery worker the writer: the lease, the standby, the periodic ring.

See https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer-bootsteps.
"""

import logging
import sys
from typing import Any

import redis
from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from django.db import connections
from kombu import Connection

from workers import tasks
from workers.lease import Lease
from workers.roles import Role, set_role
from workers.writer import Writer

logger = logging.getLogger(__name__)

LEASE_RETRY_SECONDS = 0.25
"""How often a standby looks whether the lease is free; it must take over within a second."""

RING_SECONDS = 1.0
"""How often the writer rings for itself, which makes up for a lost ring and proves that it can work."""


class WriterStep(bootsteps.StartStopStep):
    """Consumes doorbells while the lease is held, stands by otherwise."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._lease = Lease()
        self._timer: Any = None
        self._stands_by = False

    def start(self, consumer: Any) -> None:
        """Take the lease or stand by. Called again after each reconnection."""
        self._cancel_timer()
        if self._lease.is_held or self._try_to_take_over():
            self._timer = consumer.timer.call_repeatedly(RING_SECONDS, tasks.ring)
            tasks.ring()
        else:
            self._stand_by(consumer)

    def stop(self, consumer: Any) -> None:
        self._cancel_timer()

    def terminate(self, consumer: Any) -> None:
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _try_to_take_over(self) -> bool:
        if not self._lease.try_acquire(purpose="writer"):
            return False
        set_role(Role.WRITER)
        connections.close_all()  # whatever the checks opened could only read
        tasks.employ(Writer())
        logger.warning("writer state=holds-lease lease=%s", self._lease.path)
        return True

    def _stand_by(self, consumer: Any) -> None:
        """Leave the doorbells to the holder and keep an eye on the lease."""
        for queue in list(consumer.task_consumer.queues):
            consumer.cancel_task_queue(queue)
        holder = self._lease.holder() or {}
        logger.warning("writer state=standby holder=%s purpose=%s", holder.get("pid"), holder.get("purpose"))
        self._timer = consumer.timer.call_repeatedly(LEASE_RETRY_SECONDS, self._look, (consumer,))

    def _look(self, consumer: Any) -> None:
        if not self._try_to_take_over():
            return
        for name in consumer.app.amqp.queues:
            consumer.add_task_queue(name)
        self.start(consumer)


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
    signals.worker_init.connect(_refuse_wrong_flags, weak=False)
    signals.worker_shutdown.connect(_retire, weak=False)


def _refuse_wrong_flags(sender: Any, **_: object) -> None:
    """Stop a worker that would run several tasks at once: there is one transaction at a time."""
    pool = getattr(sender.pool_cls, "__module__", "")
    if pool != "celery.concurrency.solo" or sender.concurrency not in (0, 1, None):
        sys.exit(
            "The writer runs one task at a time: start it with --pool solo --concurrency 1 "
            f"(got {pool.rpartition('.')[2]}, concurrency {sender.concurrency})."
        )


def _retire(**_: object) -> None:
    try:
        tasks.retire()
    except redis.RedisError as exc:
        logger.warning("writer state=stopped heartbeat=not-removed error=%s", exc)
