"""What this is, whether it is ready, and where to go: for whoever opens the service's address."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import StaticHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workers import for_anyone, health_warnings, replica_state, why_not_ready
from workers.rest import JSONRenderer

NAME = "One Writer"
DESCRIPTION = "A REST API whose every write is committed by one writer, in order, once."
# Each one's key in JSON, its title on the page, and the name of its route.
PLACES = [
    ("docs", "API docs", "docs"),
    ("schema", "OpenAPI schema", "schema"),
    ("admin", "Admin", "admin:index"),
    ("live", "The write path, live", "admin:workers_receipt_live"),
    ("two_sessions", "Two sessions at once", "two-sessions"),
    ("health", "Health", "health-ready"),
]


@extend_schema(exclude=True)
class RootView(APIView):
    """200 whether or not the service is ready: a page for browsers, JSON for who takes anything."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = [JSONRenderer, StaticHTMLRenderer]

    def get(self, request: Request) -> HttpResponse:
        # Not what DRF chose, which does not weigh one type against another (`q`).
        types = [renderer.media_type for renderer in self.renderer_classes]
        is_for_people = request._request.get_preferred_type(types) == StaticHTMLRenderer.media_type
        response = _page(request) if is_for_people else _json()
        patch_vary_headers(response, ["Accept"])
        response["Cache-Control"] = "no-store"
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, Response):
            response.accepted_renderer = JSONRenderer()
            response.accepted_media_type = JSONRenderer.media_type
        return response


def _page(request: Request) -> HttpResponse:
    context = {
        "name": NAME,
        "description": DESCRIPTION,
        "obstacles": for_anyone(why_not_ready()),
        "warnings": for_anyone(health_warnings(replica_state())),
        "places": [(title, reverse(route)) for _, title, route in PLACES],
    }
    return render(request._request, "api/root.html", context)


def _json() -> Response:
    links = {key: reverse(route) for key, _, route in PLACES}
    ready = not why_not_ready()
    return Response({"name": NAME, "description": DESCRIPTION, "ready": ready, "links": links})
