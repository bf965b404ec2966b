"""Two sessions that overlap, to demonstrate what the writer is for.

With plain transactions A fails, because it writes while B holds the lock. Here neither holds a lock while it
works, because only the writer writes.
"""

import time
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workers import Submission, WritePathError, submit
from workers.conf import settings as write_settings
from workers.rest import principal_of, problem_of, queued_response, raise_unless_committed

SessionStatus = inline_serializer("SessionStatus", {"status": serializers.CharField()})


class OpenInDemo(BasePermission):
    """Lets everybody in while DEMO is on, otherwise users who are logged in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return settings.DEMO or IsAuthenticated().has_permission(request, view)


class _Session(APIView):
    permission_classes = [OpenInDemo]
    session: str

    def create_item(self) -> Submission:
        """Submit the session's one write: an item with the session's name."""
        arguments = {"data": {"name": f"session {self.session}"}}
        return submit("items.create", arguments, principal=principal_of(self.request))

    def confirm(self, submission: Submission) -> Response:
        """Respond once the write is committed, or with its status when that takes too long."""
        try:
            outcome = submission.wait(write_settings.WRITE_WAIT_SECONDS)
        except WritePathError as exc:
            raise problem_of(exc) from exc
        if outcome is None:
            return queued_response(submission.accepted())
        raise_unless_committed(outcome)
        return Response({"status": f"{self.session} committed"}, headers={"Write-Id": str(outcome.write_id)})


class SessionA(_Session):
    """Build a write, work for half a second, commit."""

    session = "A"
    work_seconds = 0.5

    @extend_schema(
        operation_id="session_a",
        summary="Session A of the demonstration",
        request=None,
        responses={200: SessionStatus},
    )
    def post(self, request: Request, *args: Any) -> Response:
        time.sleep(self.work_seconds)
        return self.confirm(self.create_item())


class SessionB(_Session):
    """Work a little, flush, work for a second, commit."""

    session = "B"
    work_before_flush_seconds = 0.1
    work_after_flush_seconds = 1.0

    @extend_schema(
        operation_id="session_b",
        summary="Session B of the demonstration",
        request=None,
        responses={200: SessionStatus},
    )
    def post(self, request: Request, *args: Any) -> Response:
        time.sleep(self.work_before_flush_seconds)
        submission = self.create_item()
        try:
            submission.accepted()
        except WritePathError as exc:
            raise problem_of(exc) from exc
        time.sleep(self.work_after_flush_seconds)
        return self.confirm(submission)
