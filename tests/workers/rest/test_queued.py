"""Views that run in the writer as they are."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.test import Client, SimpleTestCase, override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.viewsets import ViewSet

from tests.answering import Answered
from tests.jottings.models import Topic
from workers.models import Receipt
from workers.rest import queued
from workers.rest.queued import NOT_KEPT, PAGE_MAX_BYTES, _settled
from workers.testing import held_writes
from workers.writes import Outcome, WriteStatus

calls: list[str] = []
hooks: list[bool] = []


@queued
def make(request: HttpRequest, status: int = 200) -> HttpResponse:
    """Does what views do: a durable block, a hook, cookies, a page."""
    name = request.POST["name"]
    calls.append(str(name))
    with transaction.atomic(durable=True):
        Topic.objects.create(name=name)
        transaction.on_commit(lambda: hooks.append(transaction.get_connection().in_atomic_block))
    if status == 500:
        raise ZeroDivisionError("on purpose")
    response = HttpResponse(f"<p>{name}</p>", status=status)
    response.set_cookie("seen", "a b", httponly=True)
    response.set_cookie("more", "x")
    return response


@queued
def enter(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(username=request.POST["name"]))
    return HttpResponseRedirect("/there/")


@queued
def stream(request: HttpRequest) -> StreamingHttpResponse:
    Topic.objects.create(name="streamed")
    return StreamingHttpResponse(iter([b"a"]))


@queued
def large(request: HttpRequest) -> HttpResponse:
    Topic.objects.create(name="large")
    return HttpResponse(b"x" * (PAGE_MAX_BYTES + 1))


@queued
def catch(request: HttpRequest) -> HttpResponse:
    Topic.objects.create(name="a")
    try:
        Topic.objects.create(name="a")
    except IntegrityError:
        return HttpResponse("caught")
    raise AssertionError


@method_decorator(queued, name="post")
class MakeView(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        Topic.objects.create(name=request.POST["name"])
        return HttpResponse(status=204)


class Topics(ViewSet):
    permission_classes = [AllowAny]

    @queued
    def create(self, request: Request) -> Response:
        data: Any = request.data
        topic = Topic.objects.create(name=data["name"])
        return Response({"name": topic.name}, status=201)


urlpatterns = [
    path("make/", make),
    path("make/<int:status>/", make),
    path("enter/", enter),
    path("stream/", stream),
    path("large/", large),
    path("catch/", catch),
    path("class/", MakeView.as_view()),
    path("topics/", Topics.as_view({"post": "create"})),
    path("api/", include("workers.rest.urls")),
]
handler404, handler500 = "django.views.defaults.page_not_found", "django.views.defaults.server_error"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("writes_at_once")]


@pytest.fixture(autouse=True)
def _project() -> Iterator[None]:
    calls.clear()
    hooks.clear()
    with override_settings(
        ROOT_URLCONF=__name__,
        SESSION_ENGINE="django.contrib.sessions.backends.db",
        MIDDLEWARE=MIDDLEWARE,
        SESSION_COOKIE_SECURE=False,
    ):
        yield


def post(path: str, name: str = "a", **options: Any) -> Any:
    return Client(raise_request_exception=False).post(path, {"name": name}, **options)


def names() -> list[str]:
    return list(Topic.objects.order_by("pk").values_list("name", flat=True))


def test_a_view_runs_once_in_the_writer_and_its_response_comes_back_whole() -> None:
    response = post("/make/")

    assert (response.status_code, response.content) == (200, b"<p>a</p>")
    assert response["Content-Type"].startswith("text/html")
    assert (response.cookies["seen"].value, response.cookies["more"].value) == ("a b", "x")
    assert response.cookies["seen"]["httponly"]
    assert (calls, hooks, names()) == (["a"], [False], ["a"])
    receipt = Receipt.objects.get()
    assert (str(receipt.write_id), receipt.status) == (response["Write-Id"], "committed")
    assert "<p>" not in receipt.body


def test_a_repeat_with_its_key_runs_nothing_and_another_request_gets_422() -> None:
    key = {"Idempotency-Key": "k"}
    first, again, other = (post("/make/", name, headers=key) for name in ("a", "a", "b"))

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert again.content.decode() == NOT_KEPT
    assert again["Content-Type"] == "text/plain"
    assert (calls, names()) == (["a"], ["a"])


def test_a_redirect_is_one_for_who_asks_where_it_leads() -> None:
    User.objects.create(username="a")

    response = post("/enter/")

    SimpleTestCase().assertRedirects(response, "/there/", fetch_redirect_response=False)


def test_a_repeat_of_what_responds_with_json_gets_it_again() -> None:
    def send() -> Any:
        headers = {"Idempotency-Key": "k"}
        return APIClient().post("/topics/", {"name": "a"}, format="json", headers=headers)

    first, again = send(), send()

    assert (first.status_code, first.json()) == (201, {"name": "a"})
    assert (again.status_code, again.json()) == (201, {"name": "a"})
    assert names() == ["a"]


def test_who_does_not_wait_gets_202_and_its_status_later() -> None:
    with held_writes():
        accepted = post("/make/")
        assert names() == []

    assert (accepted.status_code, accepted["Location"]) == (202, f"/api/writes/{accepted['Write-Id']}/")
    assert names() == ["a"]
    assert post("/make/", "b", headers={"Prefer": "respond-async"}).status_code == 202


def test_a_repeat_while_the_first_one_waits_is_told_where_to_ask() -> None:
    at_once = {"Prefer": "respond-async", "Idempotency-Key": "k"}
    with held_writes():
        first, repeat = [post("/make/", "a", headers=at_once) for _ in range(2)]

    assert (first.status_code, repeat.status_code) == (202, 409)
    assert repeat["Location"] == first["Location"]


def test_5xx_undoes_everything_and_the_receipt_has_the_views_own_traceback() -> None:
    response = post("/make/500/")

    assert (response.status_code, names(), hooks) == (500, [], [])
    assert "ZeroDivisionError: on purpose" in Receipt.objects.get().traceback


def test_4xx_keeps_what_the_view_wrote_as_in_any_project() -> None:
    response = post("/make/404/")

    assert (response.status_code, names()) == (404, ["a"])


@pytest.mark.parametrize(("path", "said"), [("/stream/", "streams"), ("/large/", "1048577 bytes")])
def test_a_response_that_cannot_be_handed_back_undoes_everything(path: str, said: str) -> None:
    response = post(path)

    assert (response.status_code, names()) == (500, [])
    assert said in Receipt.objects.get().traceback


def test_an_error_that_a_view_catches_outside_of_a_block_fails_it_as_with_atomic_requests() -> None:
    response = post("/catch/")

    assert (response.status_code, names()) == (500, [])
    assert "Wrap the statement that may fail" in Receipt.objects.get().traceback


def test_methods_of_classes_run_in_the_writer_too() -> None:
    assert post("/class/").status_code == 204
    assert names() == ["a"]


def test_a_body_past_the_limit_is_refused_before_it_is_handed_over() -> None:
    with override_settings(WRITE_MAX_BODY_BYTES=100):
        response = post("/make/", "a" * 101)

    assert response.status_code == 413
    assert not Receipt.objects.exists()


def test_a_login_gives_its_session_also_in_place_of_one_that_is_out_of_date() -> None:
    User.objects.create(username="somebody")
    client = Client(enforce_csrf_checks=False)
    client.cookies["sessionid"] = "long gone"

    response = client.post("/enter/", {"name": "somebody"})

    assert (response.status_code, response["Location"]) == (302, "/there/")
    assert response.cookies["sessionid"]["max-age"] != 0
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


def test_cross_site_requests_are_refused_before_they_are_handed_over() -> None:
    assert Client(enforce_csrf_checks=True).post("/make/", {"name": "a"}).status_code == 403
    assert not Receipt.objects.exists()


def test_a_real_writer_hands_the_page_back_with_its_announcement(answered: Answered) -> None:
    with override_settings(WRITE_SUBMITTER=""):
        page = answered(lambda: post("/make/"))
        failed = answered(lambda: post("/make/500/", "b"))

    assert (page.status_code, page.content, failed.status_code) == (200, b"<p>a</p>", 500)
    assert (calls, hooks, names()) == (["a", "b"], [False], ["a"])


def test_a_page_that_was_lost_with_its_announcement_is_told_so() -> None:
    body = b'{"status":200,"headers":[["Content-Type","text/html"]],"cookies":[],"bytes":8,"kept":null}'
    outcome = Outcome(write_id=1, status=WriteStatus.COMMITTED, http_status=200, body=body)

    response = _settled(HttpRequest(), outcome)

    assert (response.status_code, response.content.decode()) == (200, NOT_KEPT)
