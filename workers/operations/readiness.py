"""Whether writes are accepted and committed, and what stands in the way, for health, pages and people.

The reasons are for who runs the service: they name paths, hosts, commands and who runs them, and quote what
the store and Redis said. Everybody else is told the part, in a sentence that is the same whatever the reason.
"""

import logging
import re
import time
from collections.abc import Mapping

from django.db import DatabaseError, connection

from workers.conf import settings
from workers.encoding.counts import counted
from workers.exceptions import QueueUnavailable, StoreNotReady
from workers.operations.absence import why_no_writer
from workers.operations.status import QueueStatus, queue_status
from workers.store.free_space import warning as disk_warning
from workers.store.identity import problem as store_problem
from workers.store.replica import ReplicaState

logger = logging.getLogger(__name__)

FOR_ANYONE = {
    "redis": "Redis does not respond: nothing is accepted.",
    "store": "The store cannot be read, or nothing can be committed to it.",
    "writer": "No writer is at work: writes are accepted and wait.",
    "stream": "Accepted writes wait for long, or the stream in Redis belongs to another store.",
    "disk": "The store's disk is nearly full, or cannot be looked at.",
    "replica": "The replica that is read from is away, or far behind.",
}
"""What is told of each part to who may not know more."""

WHERE = "`manage.py doctor` and the log say more."

AGAIN_SECONDS = 60.0
"""Pause between two lines that give the same reason, but for its numbers."""

_told: dict[str, tuple[str, float]] = {}
"""Of each part, which reason this process has logged last, and when."""


def for_anyone(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return what anybody may be told of these reasons, by part; log the reasons themselves."""
    for part, reason in reasons.items():
        _tell(part, reason)
    return {part: f"{FOR_ANYONE.get(part, 'It is impaired.')} {WHERE}" for part in reasons}


def _tell(part: str, reason: str) -> None:
    kind, now = re.sub(r"[\d.]+", "0", reason), time.monotonic()
    last, told_at = _told.get(part, ("", 0.0))
    if kind != last or now - told_at >= AGAIN_SECONDS:  # health is asked for every second
        _told[part] = kind, now
        logger.warning("health part=%s state=impaired reason=%s", part, reason)


def why_not_ready() -> dict[str, str]:
    """Return what stands in the way of committing writes, by part; nothing when the service is ready.

    For who may know paths, hosts and commands; others are told it `for_anyone`.
    """
    try:
        in_the_way = of_queue(queue_status())
    except QueueUnavailable as exc:
        in_the_way = {"redis": str(exc)}
    return of_store() | in_the_way


def health_warnings(replica: ReplicaState | None) -> dict[str, str]:
    """Return what will stand in the way soon, by part. The service is ready all the same.

    For who may know paths and hosts; others are told it `for_anyone`.
    """
    found = {"disk": disk_warning(), "replica": replica and replica.warning}
    return {part: warning for part, warning in found.items() if warning}


def of_store() -> dict[str, str]:
    """Return what stands in the way in the store, if anything does."""
    try:
        problem = store_problem()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except (DatabaseError, StoreNotReady) as exc:
        return {"store": f"The store cannot be read: {exc}"}
    return {"store": problem} if problem else {}


def of_queue(status: QueueStatus) -> dict[str, str]:
    """Return what stands in the way between the stream and the store, if anything does."""
    if status.is_of_another_store:
        return {"stream": "The stream in Redis belongs to another store: see `manage.py doctor`."}
    in_the_way = {}
    if status.writer is None:
        in_the_way["writer"] = f"{why_no_writer()}: writes are accepted and wait."
    elif status.writer.error:
        in_the_way["store"] = f"The writer cannot commit: {status.writer.error}"
    age = status.oldest_age_seconds or 0.0
    if age > settings.WRITE_READY_OLDEST_SECONDS:
        in_the_way["stream"] = (
            f"The oldest of {counted(status.length, 'waiting write')} has waited for {age:.0f} s."
        )
    return in_the_way
