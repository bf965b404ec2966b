"""What makes a Celery worker the writer: its queue, the lease, the standby, the periodic ring.

The writer consumes the queue `writer` and no other; a worker that consumes others is not concerned.

See https://docs.celeryq.dev/en/stable/userguide/extending.html#consumer-bootsteps.
"""

import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from celery import Celery, bootsteps, signals
from celery.concurrency import get_implementation
from celery.fixups.django import DjangoFixup
from django.conf import settings

from workers.celery import BOOTSTEP
from workers.sd_notify import notifier
from workers.store.holder import Holder
from workers.stream import doorbell
from workers.writer.loop import REPLY_SECONDS, Drained, Writer
from workers.writer.worker import tasks  # noqa: F401 - registers the task
from workers.writer.worker.leadership import leadership
from workers.writer.worker.stream_wait import StreamWait

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""How often a standby looks whether the lease is free; it must take over within a second."""

RING_SECONDS = 1.0
"""How often a writer that cannot wait at the stream rings for itself, to make up for a lost ring."""


class WriterStep(bootsteps.StartStopStep):
    """Consumes doorbells while this process is the writer, and stands by otherwise."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def include_if(self, consumer: Any) -> bool:
        """Return whether the worker is a writer, by what it consumes."""
        return doorbell.QUEUE in consumer.app.amqp.queues.consume_from

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None
        self._consumes = True
        self._ring_at = 0.0
        self._wait: StreamWait | None = None

    def start(self, consumer: Any) -> None:
        """Begin to look for the lease. Called again after each reconnection."""
        self._cancel_timer()
        _leave_to_others(consumer)
        self._consumes = True
        # Celery has no event loop with some brokers; then the writer comes when it is rung for.
        self._wait = None if consumer.hub is None else StreamWait(consumer.hub, self._drain)
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
        if self._wait is not None:
            self._wait.end()

    def _tick(self, consumer: Any) -> None:
        """Take the lease if it is free; consume doorbells and wait at the stream only with it."""
        try:
            self._look(consumer)
        except Exception:  # Celery's loop must outlive it; the next tick tries again
            logger.exception("writer state=broken")
        else:
            notifier.progress()  # a standby makes progress by looking

    def _look(self, consumer: Any) -> None:
        was_writer = leadership.writer is not None
        try:
            is_writer = leadership.try_begin()
            leadership.stand_by()
        except redis.RedisError as exc:
            logger.warning("writer state=waits-for-redis error=%s", exc)
            return
        self._consume(consumer, is_writer)
        if self._wait is not None:
            self._stay(is_writer)
        elif is_writer and (not was_writer or time.monotonic() >= self._ring_at):
            self._ring_at = time.monotonic() + RING_SECONDS
            doorbell.ring()

    def _stay(self, is_writer: bool) -> None:
        """Wait at the stream while this process is the writer, and tend it meanwhile."""
        if is_writer:
            self._work(Writer.tend)
        self._wait_again()
        if self._wait is not None and not self._wait.waits:
            # It cannot wait, whatever keeps it: nobody rings, because it tends the doorbell.
            self._work(lambda writer: writer.drain())

    def _drain(self) -> None:
        """Commit what has come. What is left after a while is told of at once by the next wait."""
        try:
            done = self._work(lambda writer: writer.drain(stays=True))
        except Exception:  # Celery's loop must outlive it
            logger.exception("drain state=broken")
            return
        if done is not None:  # else the next tick tries again: at once it would fail again
            self._wait_again()

    def _work(self, work: Callable[[Writer], Drained]) -> Drained | None:
        """Have the writer do something; None when it could not."""
        done = leadership.work(work)
        if done is None and self._wait is not None:
            # On a connection to a Redis that is frozen, or whose host is gone, it would wait for ever.
            # The next one goes to the present master.
            self._wait.end()
        return done

    def _wait_again(self) -> None:
        if self._wait is None:
            return
        if leadership.writer is None:
            self._wait.end()
            return
        try:
            self._wait.begin()
        except redis.RedisError as exc:
            logger.warning("writer state=waits-for-redis error=%s", exc)  # and tries again at the next tick

    def _consume(self, consumer: Any, is_writer: bool) -> None:
        """Take doorbells, or leave them to the lease's holder."""
        if is_writer == self._consumes:
            return
        self._consumes = is_writer
        if is_writer:
            consumer.add_task_queue(doorbell.QUEUE)
            return
        consumer.cancel_task_queue(doorbell.QUEUE)
        holder = leadership.lease.holder() or Holder.unknown()
        logger.info("writer state=standby holder=%s purpose=%s", holder.pid, holder.purpose)


def _leave_to_others(consumer: Any) -> None:
    """Let this worker run the doorbell, and send any other task on to the queue where it belongs.

    A task that ran in the writer's process would keep all writes waiting, and get the writer killed.
    """
    for name in consumer.strategies:
        if name != doorbell.TASK:
            consumer.strategies[name] = partial(_send_on, consumer.app, name)


SENT_ON = ("correlation_id", "reply_to", "priority", "delivery_mode")


def _send_on(app: Celery, name: str, message: Any, *_: object) -> None:
    queue = app.conf.task_default_queue
    if queue == doorbell.QUEUE:
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


@signals.worker_init.connect
def _prepare(sender: Any, **_: object) -> None:
    """Give the worker more patience with Redis than a request has, and refuse wrong flags."""
    app: Celery = sender.app
    if BOOTSTEP not in app.steps["consumer"]:
        return  # another app of the project, which has no writer
    app.conf.broker_transport_options["socket_timeout"] = REPLY_SECONDS
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_is_no_repetition)
    _choose_queues(app, runs_one=_runs_one(sender))
    if doorbell.QUEUE in app.amqp.queues.consume_from:
        _refuse_wrong_flags(sender)
        _keep_connections(app)
        signals.after_setup_logger.connect(_leave_level_to_project)
        # It acknowledges at once, so there is nothing to cancel; Celery has seven lines on what this will be.
        app.conf.worker_cancel_long_running_tasks_on_connection_loss = True


def _keep_connections(app: Celery) -> None:
    """Keep Celery from closing all database connections around each task: on a server one holds the lease.

    The writer closes them itself, when it gives the lease back.
    """
    made: Any = app
    for fixup in made._fixups:
        if isinstance(fixup, DjangoFixup):
            fixup.worker_fixup.db_reuse_max = sys.maxsize


def _leave_level_to_project(logger: logging.Logger, **_: object) -> None:
    """Give the root logger its level in LOGGING back: Celery makes `--loglevel` that of everything."""
    of_project: Any = settings.LOGGING
    level = of_project.get("root", {}).get("level")
    if level:
        logger.setLevel(level)


def _is_no_repetition(record: logging.LogRecord) -> bool:
    """Return False for what Celery says at each attempt to reach its broker: it is said once elsewhere."""
    return not str(record.msg).startswith("consumer: Cannot connect to")


def _choose_queues(app: Celery, *, runs_one: bool) -> None:
    """Make a worker for which no queue is named the writer, if it runs one task at a time."""
    queues = app.amqp.queues
    chosen = set(queues.consume_from)
    if chosen == set(queues):
        if runs_one:
            queues.select([doorbell.QUEUE])
        else:
            queues.deselect([doorbell.QUEUE])
    elif doorbell.QUEUE in chosen and len(chosen) > 1:
        sys.exit(
            f"The writer takes nothing but its own messages: start it with -Q {doorbell.QUEUE} alone, and "
            f"another worker with -Q {','.join(sorted(chosen - {doorbell.QUEUE}))}."
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


@signals.worker_shutdown.connect
def _stop(**_: object) -> None:
    leadership.end(reason="shutdown")
