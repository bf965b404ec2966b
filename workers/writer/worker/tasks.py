"""The Celery task behind the doorbell."""

import logging

import redis
from celery import shared_task

from workers.stream import doorbell
from workers.writer.loop import Drained
from workers.writer.worker.leadership import leadership

logger = logging.getLogger(__name__)


@shared_task(name=doorbell.TASK, ignore_result=True)
def drain() -> None:
    """Let the writer commit what is in the stream; ring again when its time was up before the work was."""
    if leadership.writer is None:
        logger.info("drain state=skipped reason=not-the-writer")
        return
    try:
        drained = leadership.writer.drain()
    except redis.RedisError as exc:
        logger.warning("drain state=interrupted error=%s", exc)
        return
    if drained is Drained.PAUSE:
        leadership.end(reason="pause")
    elif drained is Drained.MORE:
        doorbell.ring()
