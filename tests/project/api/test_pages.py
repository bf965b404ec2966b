"""Errors outside DRF's views: a page for a browser, JSON for a program, and always JSON under /api/."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from project import urls

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROGRAMS = [None, "*/*", "application/json", "application/problem+json", "application/json, text/html;q=0.5"]

RAISED: dict[str, type[Exception]] = {
    "malformed": SuspiciousOperation,
    "forbidden": PermissionDenied,
    "broken": RuntimeError,
}


def view(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISED[name]


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [path("made/<name>", view), path("api/made/<name>", view), *urls.urlpatterns]

ERRORS = [
    ("malformed", 400, "bad_request", "Bad Request"),
    ("forbidden", 403, "permission_denied", "Forbidden"),
    ("nowhere/", 404, "not_found", "Not Found"),
    ("broken", 500, "internal_error", "Internal Server Error"),
]


@pytest.fixture(autouse=True)
def _urls() -> Any:
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(("name", "status", "code", "title"), ERRORS)
def test_a_browser_gets_a_page_that_says_what_happened_and_leads_on(
    client: Client, name: str, status: int, code: str, title: str
) -> None:
    response = client.get(f"/made/{name}", headers={"Accept": BROWSER})

    page = response.content.decode()
    assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert f"<h1>{title}</h1>" in page
    assert re.findall(r'<a href="([^"]+)"', page) == ["/"]
    assert "Accept" in response["Vary"]
    assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.parametrize("accept", PROGRAMS)
@pytest.mark.parametrize(("name", "status", "code", "title"), ERRORS)
def test_a_program_gets_json(
    client: Client, name: str, status: int, code: str, title: str, accept: str | None
) -> None:
    response = client.get(f"/made/{name}", headers={"Accept": accept} if accept else {})

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code


@pytest.mark.parametrize(("name", "status", "code", "title"), ERRORS)
def test_everybody_gets_json_from_the_api(
    client: Client, name: str, status: int, code: str, title: str
) -> None:
    response = client.get(f"/api/made/{name}", headers={"Accept": BROWSER})

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code


def test_what_is_shown_of_an_address_is_text(client: Client) -> None:
    page = client.get("/<script>", headers={"Accept": BROWSER}).content.decode()

    assert "There is nothing at /&lt;script&gt;." in page


def test_an_unknown_host_is_a_page_with_its_style(client: Client) -> None:
    response = client.get("/", headers={"Accept": BROWSER, "Host": "elsewhere.example"})

    assert response.status_code == 400
    assert "ALLOWED_HOSTS" in response.content.decode()
    [style] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', response.content.decode())
    found = client.get(style, headers={"Host": "elsewhere.example"})
    assert found.status_code == 200
    found.close()


def test_a_form_that_is_out_of_date_says_what_to_do(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)

    response = strict.post("/admin/login/", {"username": "x"}, headers={"Accept": BROWSER})

    assert (response.status_code, response["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "Open it again" in response.content.decode()


def test_what_the_admin_does_not_know_is_a_page(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))

    response = client.get("/admin/nowhere/", headers={"Accept": BROWSER})

    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(("accept", "is_page"), [(BROWSER, True), ("*/*", True), ("application/json", False)])
def test_an_address_that_the_admin_refuses_is_json_for_who_asks_for_it(
    client: Client, accept: str, is_page: bool
) -> None:
    response = client.get("/admin/items/item/?q=" + "x" * 201, headers={"Accept": accept})

    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html") is is_page
