"""What a request gets whose session cannot be saved.

Django takes any error of the database for a session that was deleted, and responds with 400.
"""

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.test import Client, override_settings
from django.urls import path

from tests.holding import store_held_by_another
from tests.jottings.models import Topic
from workers import StoreBusy, middleware

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = "django.contrib.sessions.backends.db"


def count(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))


def count_in_a_session_that_is_gone(request: HttpRequest) -> HttpResponse:
    response = count(request)
    import_module(SESSIONS).SessionStore(request.session.session_key).delete()
    return response


def refuse_by_itself(request: HttpRequest) -> HttpResponse:
    try:
        Topic.objects.create(name="a")
    except StoreBusy:
        return HttpResponseBadRequest("as the view says")
    return HttpResponse("created")


urlpatterns = [
    path("count", count),
    path("gone", count_in_a_session_that_is_gone),
    path("own", refuse_by_itself),
]


@pytest.fixture
def client() -> Any:
    """A browser with a session in the store of an ordinary project."""
    with override_settings(
        ROOT_URLCONF=__name__,
        SESSION_ENGINE=SESSIONS,
        SESSION_COOKIE_SECURE=False,
        MIDDLEWARE=[middleware.NAME, "django.contrib.sessions.middleware.SessionMiddleware"],
    ):
        client = Client()
        assert client.post("/count").text == "1"
        assert settings.SESSION_COOKIE_NAME in client.cookies
        yield client


def test_a_session_that_cannot_be_saved_in_time_is_said_to_be_the_busy_store(client: Client) -> None:
    with store_held_by_another():
        response = client.post("/count")

    assert (response.status_code, response.text) == (503, middleware.BODY)
    assert response["Retry-After"] == str(middleware.RETRY_AFTER_SECONDS)
    assert client.post("/count").text == "2"


def test_a_session_that_was_deleted_meanwhile_is_still_the_clients_error(client: Client) -> None:
    response = client.post("/gone")

    assert response.status_code == 400
    assert "Retry-After" not in response


def test_what_a_view_makes_of_a_busy_store_stays_as_it_is(client: Client) -> None:
    with store_held_by_another():
        response = client.post("/own")

    assert (response.status_code, response.text) == (400, "as the view says")
