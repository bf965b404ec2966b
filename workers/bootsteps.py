"""What makes a Celery worker the writer: its queue, the lease, the standby, the periodic ring.

The writer consumes the queue `writer` and no other; a worker that consumes others is not concerned.

See https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer-bootsteps.
"""

import logging
import sys
import time
from functools import partial
from typing import Any

import redis
from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from celery.concurrency import get_implementation
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

    def include_if(self, consumer: Any) -> bool:
        """Return whether the worker is a writer, by what it consumes."""
        return tasks.QUEUE in consumer.app.amqp.queues.consume_from

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None
        self._consumes = True
        self._ring_at = 0.0

    def start(self, consumer: Any) -> None:
        """Begin to look for the lease. Called again after each reconnection."""
        self._cancel_timer()
        _leave_to_others(consumer)
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
            consumer.add_task_queue(tasks.QUEUE)
            return
        consumer.cancel_task_queue(tasks.QUEUE)
        holder = _tenure.lease.holder() or {}
        logger.info("writer state=standby holder=%s purpose=%s", holder.get("pid"), holder.get("purpose"))


def _leave_to_others(consumer: Any) -> None:
    """Let this worker run the doorbell, and send any other task on to the queue where it belongs.

    A task that ran in the writer's process would keep all writes waiting, and get the writer killed.
    """
    for name in consumer.strategies:
        if name != tasks.drain.name:
            consumer.strategies[name] = partial(_send_on, consumer.app, name)


SENT_ON = ("correlation_id", "reply_to", "priority", "delivery_mode")


def _send_on(app: Celery, name: str, message: Any, *_: object) -> None:
    queue = app.conf.task_default_queue
    if queue == tasks.QUEUE:
        logger.error("message state=refused task=%s reason=not-the-writers hint='manage.py check'", name)
        message.reject_log_error(logger, ())
        return
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            message.body,
            routing_key=queue,
            exchange="",
            declare=[app.amqp.queues[queue]],
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=message.headers,
            **{name: message.properties[name] for name in SENT_ON if name in message.properties},
        )
    # After it: a death in between runs the task twice rather than never.
    message.ack_log_error(logger, ())
    logger.warning("message state=sent-on task=%s queue=%s reason=not-the-writers", name, queue)


class PromptConnection(Connection):
    """Looks for a lost broker again at once, then every second; kombu's own pauses grow to 30 s."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(
            *args, **({"interval_start": 0.1, "interval_step": 0.2, "interval_max": 1} | kwargs)
        )


class PromptAMQP(AMQP):
    Connection = PromptConnection


def make_writer(app: Celery) -> None:
    """Make a worker of this app a writer, unless it consumes other queues. To be called once."""
    app.steps["consumer"].add(WriterStep)
    signals.worker_init.connect(partial(_prepare, app), weak=False)
    signals.worker_shutdown.connect(_retire, weak=False)


def _prepare(app: Celery, sender: Any, **_: object) -> None:
    """Give the worker more patience with Redis than a request has, and refuse wrong flags."""
    if sender.app is not app:
        return  # an app of the project's own
    app.conf.broker_transport_options["socket_timeout"] = REPLY_SECONDS
    _choose_queues(app, runs_one=_runs_one(sender))
    if tasks.QUEUE in app.amqp.queues.consume_from:
        _refuse_wrong_flags(sender)


def _choose_queues(app: Celery, *, runs_one: bool) -> None:
    """Make a worker for which no queue is named the writer, if it runs one task at a time."""
    queues = app.amqp.queues
    chosen = set(queues.consume_from)
    if chosen == set(queues):
        if runs_one:
            queues.select([tasks.QUEUE])
        else:
            queues.deselect([tasks.QUEUE])
    elif tasks.QUEUE in chosen and len(chosen) > 1:
        sys.exit(
            f"The writer takes nothing but its own messages: start it with -Q {tasks.QUEUE} alone, and "
            f"another worker with -Q {','.join(sorted(chosen - {tasks.QUEUE}))}."
        )


def _runs_one(sender: Any) -> bool:
    # A class by now where the command line named the pool, a name where a setting did.
    pool = getattr(get_implementation(sender.pool_cls), "__module__", "")
    return pool == "celery.concurrency.solo" and sender.concurrency in (0, 1, None)


def _refuse_wrong_flags(sender: Any) -> None:
    """Stop a worker that would run several tasks at once: there is one transaction at a time."""
    if not _runs_one(sender):
        pool = getattr(get_implementation(sender.pool_cls), "__module__", "")
        sys.exit(
            "The writer runs one task at a time: start it with --pool solo --concurrency 1 "
            f"(got {pool.rpartition('.')[2]}, concurrency {sender.concurrency})."
        )


def _retire(**_: object) -> None:
    _tenure.end(reason="shutdown")
