"""GET /api/writes/{id}/: what became of a write."""

from workers.rest import schema  # noqa: F401 - says what to install where drf-spectacular is missing

# isort: split
from typing import Any

import redis
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workers.exceptions import QueueUnavailable, UndecodableEntry
from workers.models import Receipt, accepted_at
from workers.rest.errors import ProblemError, ProblemsMixin, problem_of
from workers.rest.responses import QUEUED, principal_of
from workers.stream.redis_stream import Entry
from workers.submission.client import submitter
from workers.writes import WriteStatus, decode

LARGEST_WRITE_ID = 2**63 - 1

WriteStatusBody = inline_serializer(
    "WriteStatus",
    {
        "write_id": serializers.CharField(),
        "status": serializers.ChoiceField([QUEUED, *WriteStatus]),
        "function": serializers.CharField(allow_null=True, help_text="Null while queued."),
        "accepted_at": serializers.DateTimeField(),
        "committed_at": serializers.DateTimeField(allow_null=True),
        "http_status": serializers.IntegerField(
            allow_null=True, help_text="HTTP status of the response to the write."
        ),
        "result": serializers.JSONField(allow_null=True),
        "error": serializers.JSONField(
            allow_null=True, help_text="`code` and `detail`, for rejected and failed."
        ),
    },
)


class WriteStatusView(ProblemsMixin, APIView):
    """The status of one write, for who asked for it and for who may view receipts."""

    @extend_schema(
        operation_id="writes_retrieve",
        summary="Ask what became of a write",
        responses={
            200: WriteStatusBody,
            404: OpenApiResponse(description="Never issued, or its receipt was pruned."),
        },
    )
    def get(self, request: Request, write_id: int) -> Response:
        if write_id > LARGEST_WRITE_ID:
            raise _not_found(write_id)
        # The stream first: a write leaves it only after its receipt is there.
        unreachable: redis.RedisError | None = None
        entry = None
        try:
            entry = submitter().find(write_id)
        except redis.RedisError as exc:
            unreachable = exc
        receipt = Receipt.objects.filter(write_id=write_id).first()
        if receipt is not None and _may_see(request, receipt.principal):
            return Response(_settled(receipt))
        if receipt is None and entry is not None and _may_see(request, _principal(entry)):
            return Response(_queued(entry))
        if receipt is None and unreachable is not None:
            raise problem_of(
                QueueUnavailable("Redis does not respond, so it is not known whether this write waits.")
            )
        raise _not_found(write_id)


def _not_found(write_id: int) -> ProblemError:
    return ProblemError(404, "not_found", f"No write {write_id} is waiting, and none has a receipt.")


def _may_see(request: Request, principal: str) -> bool:
    # Being staff opens the admin's door and no more; what it shows is a matter of permissions, as here.
    is_own = principal == principal_of(request)
    return is_own or bool(request.user and request.user.has_perm("workers.view_receipt"))


def _principal(entry: Entry) -> str:
    try:
        return decode(entry.write_id, entry.payload).principal
    except UndecodableEntry:
        return ""


def _queued(entry: Entry) -> dict[str, Any]:
    return {
        "write_id": str(entry.write_id),
        "status": QUEUED,
        "function": None,
        "accepted_at": accepted_at(entry.write_id),
        "committed_at": None,
        "http_status": None,
        "result": None,
        "error": None,
    }


def _settled(receipt: Receipt) -> dict[str, Any]:
    is_committed = receipt.status == WriteStatus.COMMITTED
    return {
        "write_id": str(receipt.write_id),
        "status": receipt.status,
        "function": receipt.function,
        "accepted_at": receipt.accepted_at,
        "committed_at": receipt.committed_at,
        "http_status": receipt.http_status,
        "result": receipt.json() if is_committed else None,
        "error": None if is_committed else receipt.json(),
    }
