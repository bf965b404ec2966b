"""The Celery task behind the doorbell: the message says only that there is something in the stream.

Losing a message is harmless: the doorbell expires and the next write rings again, and the worker rings for
itself every second and when it starts.
"""

import logging

import redis
from celery import shared_task
from kombu.exceptions import KombuError, OperationalError

from workers.writer import Writer

logger = logging.getLogger(__name__)

_writer: Writer | None = None


def employ(writer: Writer | None) -> None:
    """Say who commits in this process. Only the lease's holder employs a writer."""
    global _writer  # one per process: it stands for the lease
    _writer = writer


@shared_task(name="workers.drain", ignore_result=True)
def drain() -> None:
    """Let the writer commit what is in the stream; ring again when its time was up before the work was."""
    if _writer is None:
        logger.info("drain state=skipped reason=not-the-writer")
        return
    try:
        more = _writer.drain()
    except redis.RedisError as exc:
        logger.warning("drain state=interrupted error=%s", exc)
        return
    if more:
        ring()


def ring() -> None:
    """Send the doorbell. Never fails: a ring that gets lost is made up for."""
    try:
        drain.apply_async(retry=False)
    except (OperationalError, KombuError, redis.RedisError, OSError) as exc:
        logger.warning("doorbell state=not-sent error=%s", exc)


def retire() -> None:
    """Dismiss this process's writer. Raises redis.RedisError when that could not be made known."""
    global _writer
    writer, _writer = _writer, None
    if writer is not None:
        writer.retire()
