"""Pieces of the answers to writes."""

from functools import cache

from django.urls import NoReverseMatch, get_script_prefix, reverse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workers.rest.errors import problem_of_outcome
from workers.writes import Kind, Outcome

QUEUED = "queued"


def principal_of(request: Request) -> str:
    """Return who asks, as receipts know them."""
    return str(request.user.pk) if request.user and request.user.is_authenticated else ""


def status_url(write_id: int) -> str:
    return detail_path("write-status", write_id) or reverse("write-status", args=[write_id])


def queued_response(write_id: int) -> Response:
    """Return 202: the write is accepted, and this is where to ask for its outcome."""
    url = status_url(write_id)
    return Response(
        {"write_id": str(write_id), "status": QUEUED, "url": url},
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": url, "Retry-After": "1", "Write-Id": str(write_id)},
    )


def raise_unless_committed(outcome: Outcome) -> None:
    """Raise ProblemError for a write that was rejected or failed."""
    if outcome.kind is not Kind.COMMITTED:
        raise problem_of_outcome(outcome)


def detail_path(route: str, key: int | str) -> str | None:
    """Return the path of what has this key, or None where there is no such route.

    `reverse` costs a write's answer 6 % of its time, so a route is asked for its form once.
    """
    if isinstance(key, int) and (around := _around(route, get_script_prefix())):
        return f"{around[0]}{key}{around[1]}"
    try:
        return reverse(route, args=[key])
    except NoReverseMatch:
        return None


@cache
def _around(route: str, script_prefix: str) -> tuple[str, str] | None:
    """Return what stands before and after the key in the route's paths, or None when that cannot be told."""
    probe = 987_654_321
    try:
        before, _, after = reverse(route, args=[probe]).rpartition(str(probe))
    except NoReverseMatch:
        return None
    return before, after
