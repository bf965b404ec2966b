"""The Celery task behind the doorbell, for a worker that is not at the stream."""

import logging

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
    if leadership.work(lambda writer: writer.drain()) is Drained.MORE:
        doorbell.ring()
