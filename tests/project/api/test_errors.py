"""An error of a read says whose error it is: the request's (400), the store's (503) or the server's (500)."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from items.models import Item
from project.api import exception_handler, schema
from project.api.pages import bad_request, not_found, permission_denied, server_error
from tests.edges import EDGE_VALUES
from tests.jottings.models import Measurement
from workers.web import refusals

pytestmark = pytest.mark.django_db


def run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        cursor.fetchall()


def unwell(code: int) -> Callable[[], None]:
    """Fail as SQLite does with this code."""

    def fail() -> None:
        cause = sqlite3.OperationalError("as SQLite says it")
        cause.sqlite_errorcode = code
        raise OperationalError("as SQLite says it") from cause

    return fail


CASES: dict[str, tuple[int, str, Callable[[], Any]]] = {
    "too-deep": (400, "invalid", lambda: run("SELECT " + " OR ".join(["1 = 1"] * 1_100))),
    "too-many-values": (400, "invalid", lambda: run(f"SELECT 1 IN ({'%s,' * 300_000} 1)", *[1] * 300_000)),
    "too-long-a-pattern": (400, "invalid", lambda: run("SELECT 'x' LIKE %s", "%" * 60_000)),
    "no-pattern": (400, "invalid", lambda: run("SELECT 'x' REGEXP %s", "(")),
    "sum-too-large": (400, "invalid", lambda: run("SELECT abs(-9223372036854775807 - %s)", 1)),
    "limit-too-large": (400, "invalid", lambda: list(Item.objects.all()[: 10**30])),
    "offset-too-large": (400, "invalid", lambda: list(Item.objects.all()[10**30 :][:1])),
    "integer-too-large": (400, "invalid", lambda: run("SELECT %s", 2**63)),
    "ids-too-large": (400, "invalid", lambda: list(Item.objects.filter(pk__in=[2**63]))),
    "no-number": (400, "invalid", lambda: list(Item.objects.filter(pk="x"))),
    "no-path": (400, "invalid", lambda: run("SELECT json_extract('{}', %s)", "a")),
    "year-too-large": (400, "invalid", lambda: list(Item.objects.filter(created_at__year=99_999))),
    "locked": (503, "store_unavailable", unwell(sqlite3.SQLITE_BUSY)),
    "failing-disk": (503, "store_unavailable", unwell(sqlite3.SQLITE_IOERR_READ)),
    "damaged": (503, "store_unavailable", unwell(sqlite3.SQLITE_CORRUPT)),
    "cannot-be-opened": (503, "store_unavailable", unwell(sqlite3.SQLITE_CANTOPEN)),
    "missing-table": (500, "internal_error", lambda: run("SELECT * FROM nowhere")),
    "bad-sql": (500, "internal_error", lambda: run("SELEKT 1")),
    "own-mistake": (500, "internal_error", lambda: int("x")),
    "own-arithmetic": (500, "internal_error", lambda: float(10**400)),
    "bad-value-in-the-store": (500, "internal_error", lambda: read_a_time_that_is_none()),
}  # fmt: skip


def read_a_time_that_is_none() -> None:
    Measurement.objects.create(label="x")
    run("UPDATE jottings_measurement SET at = '2026-13-45 00:00:00'")
    list(Measurement.objects.all())


class RestView(APIView):
    permission_classes = [AllowAny]

    def get(self, request: Request, case: str) -> Response:
        CASES[case][2]()
        return Response({})


def plain_view(request: Any, case: str) -> HttpResponse:
    CASES[case][2]()
    return HttpResponse()


handler400, handler403, handler404, handler500 = bad_request, permission_denied, not_found, server_error
urlpatterns = [path("rest/<case>", RestView.as_view()), path("plain/<case>", plain_view)]


@pytest.mark.sqlite  # the cases are in its SQL
@pytest.mark.parametrize("view", ["rest", "plain"])
@pytest.mark.parametrize("case", CASES)
@override_settings(ROOT_URLCONF=__name__)
def test_an_error_of_a_read_says_who_caused_it(view: str, case: str) -> None:
    status, code, _ = CASES[case]

    response = Client(raise_request_exception=False).get(f"/{view}/{case}")

    problem = json.loads(response.content)
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers.get("Retry-After") == ("1" if status == 503 else None)


@pytest.fixture
def admin(clean_redis: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


LISTS = {
    "/admin/items/item/": [
        "q", "p", "o", "id__exact", "id__in", "id__gt", "id__isnull", "name__iregex", "created_at__gte",
        "created_at__lt", "created_at__year", "created_at__date", "created_at__hour", "version", "all",
        "_to_field", "nmae",
    ],
    "/admin/workers/receipt/": [
        "q", "write_id__exact", "committed_at__gte", "status", "http_status__in", "token", "token__exact",
    ],
    "/admin/auth/user/": [
        "q", "last_login__gte", "date_joined__year", "groups__id__exact", "id__in", "is_staff__exact",
    ],
    "/admin/knox/authtoken/": ["q", "expiry__lt", "user__id__exact"],
}  # fmt: skip


@pytest.mark.sqlite  # PostgreSQL takes nothing more in a transaction after an error
@pytest.mark.filterwarnings(
    "ignore:DateTimeField .* received a naive datetime"
)  # as the admin's own links do
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_no_value_in_the_address_of_an_admin_list_is_the_servers_error(
    path: str, step: int, admin: Client
) -> None:
    Item.objects.create(name="x", created_at="2026-01-01T00:00Z", updated_at="2026-01-01T00:00Z")

    for number, name in enumerate(LISTS[path]):
        for edge in EDGE_VALUES[number % step :: step]:
            response = admin.get(path, {name: edge})
            assert response.status_code in {200, 302, 400}, (name, edge, response.content[:300])


@pytest.mark.parametrize("place", ["{}/change/", "{}/history/", "{}/delete/", "{}/"])
def test_no_address_of_an_admin_page_is_the_servers_error(place: str, admin: Client) -> None:
    for edge in [
        "9" * 20,
        "-" + "9" * 20,
        "9223372036854775808",
        "0",
        "x",
        "_00",
        "_FF",
        "%00",
        "1e9",
        "1.5",
        "%C2%B2",
    ]:
        for model in ("items/item", "auth/user", "workers/receipt"):
            response = admin.get(f"/admin/{model}/{place.format(edge)}")
            assert response.status_code in {301, 302, 403, 404}, (edge, response.content[:300])


def test_the_admin_searches_for_eight_words_at_most_and_says_so(admin: Client) -> None:
    Item.objects.create(
        name="a b c d e f g h", created_at="2026-01-01T00:00Z", updated_at="2026-01-01T00:00Z"
    )

    found = admin.get("/admin/items/item/", {"q": "a b c d e f g h"})
    refused = [admin.get("/admin/items/item/", {"q": q}) for q in ("a " * 9, "a " * 1_500, "x" * 201)]

    assert b"a b c d e f g h</a>" in found.content
    assert [response.status_code for response in refused] == [400] * 3
    assert all(b"at most 8 words of 200 characters" in response.content for response in refused)


def test_every_code_that_goes_with_a_status_is_documented_with_it() -> None:
    for made in (exception_handler.CODES, refusals.CODES):
        for status, code in made.items():
            assert schema.CODES[code].startswith(f"{status}: "), code
