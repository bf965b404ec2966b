"""GET /metrics: the figures of the write path, for Prometheus."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from project.accounts import attempts
from workers.metrics import exposition


class MayReadMetrics(BasePermission):
    """For whoever may view receipts, and for the addresses of METRICS_ADDRESSES."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("workers.view_receipt") or attempts.is_from(
            request, settings.METRICS_ADDRESSES
        )


class Metrics(APIView):
    """What the service measures. In Prometheus' own formats, so it is no part of the API's description."""

    permission_classes = [MayReadMetrics]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Pass the choice of a format by: that is between those of Prometheus. Errors are JSON."""
        return JSONRenderer(), JSONRenderer.media_type

    @extend_schema(exclude=True)
    def get(self, request: Request, **kwargs: Any) -> HttpResponse:
        found = exposition(request.headers.get("Accept", ""))
        return HttpResponse(found.body, content_type=found.content_type)
