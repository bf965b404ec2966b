"""The doorbell: a Celery message that says only that there is something in the stream.

Sent by the name of the task, so that whoever rings does not import the writer. Losing a message is harmless:
the doorbell expires and the next write rings again, and the writer rings for itself every second and when it
starts.
"""

import logging

from workers.stream import celery_app

logger = logging.getLogger(__name__)

TASK = "workers.drain"
QUEUE = "writer"
"""The writer's own queue: whoever consumes it is a writer, and nothing but the doorbell is for it."""

RING_LIFE_SECONDS = 60
"""Age past which a ring is thrown away, so that they do not pile up while no worker runs."""


def ring() -> None:
    """Send the doorbell. Never fails: a ring that gets lost is made up for."""
    try:
        app = celery_app.find()
        app.send_task(TASK, queue=QUEUE, retry=False, expires=RING_LIFE_SECONDS, ignore_result=True)
    except Exception as exc:  # whatever kombu raises, whoever rings has more important things to do
        logger.warning("doorbell state=not-sent error=%r", exc)
