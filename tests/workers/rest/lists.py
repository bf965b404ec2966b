"""Lists of viewsets without a network: ask a list, and walk from page to page."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate


def ask(viewset: Any, query: str = "") -> Response:
    """Return what the viewset's list answers to `?query`."""
    request = APIRequestFactory().get(f"/list/?{query}")
    force_authenticate(request, User(pk=1, is_superuser=True))
    response: Response = viewset.as_view({"get": "list"})(request)
    return response


def walk(viewset: Any, query: str, *, link: str = "next", at_most: int = 200) -> Iterator[list[Any]]:
    """Yield the rows of each page, from that of `?query` on. Raises AssertionError where it has no end."""
    for _ in range(at_most):
        page = ask(viewset, query).data
        yield page["results"]
        if page[link] is None:
            return
        query = page[link].partition("?")[2]
    raise AssertionError(f"no end after {at_most} pages")


def last_page(viewset: Any, query: str) -> str:
    """Return the query of the last page."""
    while (url := ask(viewset, query).data["next"]) is not None:
        query = url.partition("?")[2]
    return query
