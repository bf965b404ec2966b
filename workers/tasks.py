"""The Celery task behind the doorbell: the message says only that there is something in the stream.

Losing a message is harmless: the doorbell expires and the next write rings again, and the worker rings for
itself every second and when it starts.
"""

import logging
from typing import Protocol

import redis
from celery import shared_task

from workers.writer import Drained, Writer

logger = logging.getLogger(__name__)

QUEUE = "writer"
"""The writer's own queue: whoever consumes it is a writer, and nothing but the doorbell is for it."""

RING_LIFE_SECONDS = 60
"""Age past which a ring is thrown away, so that they do not pile up while no worker runs."""


class Employment(Protocol):
    """This process's time as the writer, see workers/tenure.py."""

    writer: Writer | None

    def end(self, *, reason: str) -> None: ...


_employment: Employment | None = None


def employ(employment: Employment | None) -> None:
    """Say whose writer commits in this process."""
    global _employment  # one per process: it stands for the lease
    _employment = employment


@shared_task(name="workers.drain", ignore_result=True)
def drain() -> None:
    """Let the writer commit what is in the stream; ring again when its time was up before the work was."""
    if _employment is None or _employment.writer is None:
        logger.info("drain state=skipped reason=not-the-writer")
        return
    try:
        drained = _employment.writer.drain()
    except redis.RedisError as exc:
        logger.warning("drain state=interrupted error=%s", exc)
        return
    if drained is Drained.PAUSE:
        _employment.end(reason="pause")
    elif drained is Drained.MORE:
        ring()


def ring() -> None:
    """Send the doorbell. Never fails: a ring that gets lost is made up for."""
    try:
        drain.apply_async(queue=QUEUE, retry=False, expires=RING_LIFE_SECONDS)
    except Exception as exc:  # whatever kombu raises, whoever rings has more important things to do
        logger.warning("doorbell state=not-sent error=%r", exc)
