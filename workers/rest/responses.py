"""Pieces of the responses to writes."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, get_script_prefix, reverse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workers.rest.errors import problem_of_outcome
from workers.rest.renderers import JSONRenderer
from workers.writes import Outcome, WriteStatus

QUEUED = "queued"


def principal_of(request: Request | HttpRequest) -> str:
    """Return who asks, as receipts know them; nobody where a project has no users."""
    user = getattr(request, "user", None)
    return str(user.pk) if user and user.is_authenticated else ""


def status_url(write_id: int) -> str | None:
    """Return where to ask for a write's outcome, or None without the route, which a check asks for."""
    return detail_path("write-status", str(write_id))


def queued_response(write_id: int) -> Response:
    """Return 202: the write is accepted, and this is where to ask for its outcome."""
    url = status_url(write_id)
    where = (
        {"Location": url} if url else {}
    )  # without one it is accepted all the same, and needs its response
    return Response(
        {"write_id": str(write_id), "status": QUEUED, "url": url},
        status=status.HTTP_202_ACCEPTED,
        headers={**where, "Retry-After": "1", "Write-Id": str(write_id)},
    )


def body_for(request: Request, outcome: Outcome) -> Any:
    """Return a result for the renderer that was chosen: ours takes JSON, others would make a text of it."""
    renderer = getattr(request, "accepted_renderer", None)
    takes_json = getattr(type(renderer), "render", None) is JSONRenderer.render
    return outcome.body if takes_json else outcome.json()


def raise_unless_committed(outcome: Outcome) -> None:
    """Raise ProblemError for a write that was rejected or failed."""
    if outcome.status is not WriteStatus.COMMITTED:
        raise problem_of_outcome(outcome)


def detail_path(
    route: str, key: str, *, name: str = "pk", around: Mapping[str, Any] | None = None
) -> str | None:
    """Return the path of what has this key, or None where there is no such route.

    `around` is what such a path has beside the key, by name; the key's own `name` counts only then.
    `reverse` costs a write's response 6 % of its time, so a route is asked for its form once.
    """
    if not around and key.isdecimal() and (parts := _around(route, get_script_prefix())):
        return f"{parts[0]}{key}{parts[1]}"
    try:
        return reverse(route, kwargs={**around, name: key}) if around else reverse(route, args=[key])
    except NoReverseMatch:
        return None


@lru_cache(maxsize=256)  # bounded, because the prefix is the request's
def _around(route: str, script_prefix: str) -> tuple[str, str] | None:
    """Return what stands before and after the key in the route's paths, or None when that cannot be told."""
    probe = 987_654_321
    try:
        before, _, after = reverse(route, args=[probe]).rpartition(str(probe))
    except NoReverseMatch:
        return None
    return before, after
