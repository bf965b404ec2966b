"""Whether this process lives, and whether the service can commit writes."""

from django.db import DatabaseError, connection
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from workers import QueueUnavailable, StoreNotReady, disk_warning, queue_status, store_problem, why_no_writer
from workers.conf import settings
from workers.rest import ProblemError

Health = inline_serializer("Health", {"status": serializers.ChoiceField(["ok"])})
Readiness = inline_serializer(
    "Readiness",
    {
        "status": serializers.ChoiceField(["ok"]),
        "warnings": serializers.DictField(
            child=serializers.CharField(), help_text="What will stand in the way soon, by part."
        ),
    },
)


@extend_schema(
    operation_id="health_live", summary="Whether this process lives", responses={200: Health}, auth=[]
)
@api_view(["GET", "HEAD"])
@authentication_classes([])
@permission_classes([])
def live(request: Request) -> Response:
    """Say that this process takes requests."""
    return Response({"status": "ok"})


@extend_schema(
    operation_id="health_ready", summary="Whether writes are committed", responses={200: Readiness}, auth=[]
)
@api_view(["GET", "HEAD"])
@authentication_classes([])
@permission_classes([])
def ready(request: Request) -> Response:
    """Say whether writes are accepted and committed; else 503 with what stands in the way, by part."""
    in_the_way = obstacles()
    if in_the_way:
        fields = {part: [reason] for part, reason in in_the_way.items()}
        detail = f"Not ready: {', '.join(in_the_way)}."
        raise ProblemError(503, "not_ready", detail, fields=fields, headers={"Retry-After": "1"})
    return Response({"status": "ok", "warnings": warnings()})


def warnings() -> dict[str, str]:
    """Return what will stand in the way soon, by part. The service is ready all the same."""
    disk = disk_warning()
    return {"disk": disk} if disk else {}


def obstacles() -> dict[str, str]:
    """Return what stands in the way of committing writes, by part; nothing when the service is ready."""
    return _store() | _queue()


def _store() -> dict[str, str]:
    try:
        problem = store_problem()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except (DatabaseError, StoreNotReady) as exc:
        return {"store": f"The store cannot be read: {exc}"}
    return {"store": problem} if problem else {}


def _queue() -> dict[str, str]:
    try:
        status = queue_status()
    except QueueUnavailable as exc:
        return {"redis": str(exc)}
    if status.is_of_another_store:
        return {"stream": "The stream in Redis belongs to another store: see `manage.py doctor`."}
    obstacles = {}
    if status.writer is None:
        obstacles["writer"] = f"{why_no_writer()}: writes are accepted and wait."
    elif status.writer.error:
        obstacles["store"] = f"The writer cannot commit: {status.writer.error}"
    age = status.oldest_age_seconds or 0.0
    if age > settings.WRITE_READY_OLDEST_SECONDS:
        obstacles["stream"] = f"The oldest of {status.length} waiting writes has waited for {age:.0f} s."
    return obstacles
