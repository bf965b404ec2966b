"""Whether writes are accepted and committed, and what stands in the way, for health, pages and people."""

from django.db import DatabaseError, connection

from workers.conf import settings
from workers.exceptions import QueueUnavailable, StoreNotReady
from workers.operations.absence import why_no_writer
from workers.operations.status import QueueStatus, queue_status
from workers.store.free_space import warning as disk_warning
from workers.store.identity import problem as store_problem
from workers.store.replica import ReplicaState


def why_not_ready() -> dict[str, str]:
    """Return what stands in the way of committing writes, by part; nothing when the service is ready."""
    try:
        in_the_way = of_queue(queue_status())
    except QueueUnavailable as exc:
        in_the_way = {"redis": str(exc)}
    return of_store() | in_the_way


def health_warnings(replica: ReplicaState | None) -> dict[str, str]:
    """Return what will stand in the way soon, by part. The service is ready all the same."""
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
        in_the_way["stream"] = f"The oldest of {status.length} waiting writes has waited for {age:.0f} s."
    return in_the_way
