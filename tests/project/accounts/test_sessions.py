"""A session ends when it is over, not when Redis is away."""

import json
from typing import Any

import pytest
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from project.accounts.sessions import SessionStore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

BROWSER = {"HTTP_ACCEPT": "text/html,*/*;q=0.8"}


@pytest.fixture
def ada() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


@pytest.mark.parametrize(
    ("method", "path", "is_page"),
    [
        ("get", "/admin/", True),
        ("get", "/admin/login/", True),
        ("get", "/admin/two_sessions/", True),
        ("post", "/admin/items/item/add/", True),
        ("post", "/admin/logout/", True),
        ("get", "/api/items/", False),
        ("get", "/metrics", False),
    ],
)
def test_while_redis_is_away_nobody_is_logged_out(
    ada: Client, settings: Settings, method: str, path: str, is_page: bool
) -> None:
    there = settings.CACHES
    settings.CACHES = {"default": there["default"] | {"LOCATION": "unix:///nowhere/redis.sock"}}
    response: Any = getattr(ada, method)(path, **(BROWSER if is_page else {}))

    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert "nobody is logged out" in response.text
    assert "nowhere" not in response.text
    assert is_page or json.loads(response.content)["code"] == "sessions_unavailable"
    assert not response.cookies
    settings.CACHES = there
    assert ada.get("/admin/").status_code == 200


def count(request: HttpRequest) -> HttpResponse:
    request.session["number"] = request.session.get("number", 0) + 1
    return HttpResponse(str(request.session["number"]))


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("logged out")


def sign_in(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("logged in")


handler500 = "project.api.pages.server_error"
urlpatterns = [path("count/", count), path("log-out/", log_out), path("sign-in/", sign_in)]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("url", ["/count/", "/log-out/", "/sign-in/"])
def test_a_redis_that_goes_away_during_the_request_is_said(
    ada: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    there, load = settings.CACHES, SessionStore.load

    def load_last(self: SessionStore) -> dict[str, Any]:
        found = load(self)
        settings.CACHES = {"default": there["default"] | {"LOCATION": "unix:///nowhere/redis.sock"}}
        self._cache = caches["default"]
        return found

    monkeypatch.setattr(SessionStore, "load", load_last)
    ada.raise_request_exception = False
    response: Any = ada.get(url, headers={"Accept": BROWSER["HTTP_ACCEPT"]})

    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert "could not be kept" in response.text
    assert not response.cookies
    monkeypatch.undo()
    settings.CACHES = there
    assert ada.session["_auth_user_id"] == str(User.objects.get().pk)


def test_what_is_no_session_is_over(ada: Client) -> None:
    key = SessionStore(ada.session.session_key).cache_key
    caches["default"]._cache.get_client(None, write=True).set(cache.make_key(key), b"no pickle")  # type: ignore[attr-defined]

    response = ada.get("/admin/")

    assert response.status_code == 302
    assert response.cookies["sessionid"]["max-age"] == 0
