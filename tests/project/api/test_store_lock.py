"""A write that cannot have the store lock, or is cut off, is told to programs and to people alike."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from items.models import Item
from project.api.pages import server_error
from tests.holding import store_held_by_another
from tests.jottings.models import Topic
from tests.waiting import until
from workers import middleware
from workers.store import opening

pytestmark = pytest.mark.django_db(transaction=True)


def write() -> None:
    Topic.objects.create(name="written")


def write_for_long() -> None:
    """Hold the store until that is ended by the watchdog, and then go on."""
    with transaction.atomic():
        write()
        guard = opening.own_guard()
        assert guard is not None
        until(lambda: not guard.is_held, seconds=30, what="the transaction to be cut off")
        write()


WRITES: dict[str, Callable[[], None]] = {"shortly": write, "for-long": write_for_long}


class RestView(APIView):
    permission_classes = [AllowAny]

    def post(self, request: Request, how: str) -> Response:
        WRITES[how]()
        return Response({})


def plain_view(request: Any, how: str) -> HttpResponse:
    WRITES[how]()
    return HttpResponse()


handler500 = server_error
urlpatterns = [
    path("rest/<how>", RestView.as_view()),
    path("plain/<how>", plain_view),
    path("admin/<how>", plain_view),
    path("", include("project.urls")),
]


@pytest.fixture
def client() -> Any:
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False)


@pytest.mark.parametrize("view", ["rest", "plain"])
def test_a_busy_store_is_said_in_the_one_shape(client: Client, view: str) -> None:
    with store_held_by_another():
        response = client.post(f"/{view}/shortly")

    problem = json.loads(response.content)
    assert (response.status_code, problem["status"], problem["code"]) == (503, 503, "store_busy")
    assert response["Content-Type"] == "application/problem+json"
    assert response["Retry-After"] == str(middleware.RETRY_AFTER_SECONDS)  # as where there is no such shape
    assert "another" not in problem["detail"]  # somebody else's request, whose path may be a secret
    assert not Topic.objects.exists()
    assert client.post(f"/{view}/shortly").status_code == 200


@pytest.mark.parametrize("view", ["rest", "plain"])
@override_settings(WRITE_LOCK_HOLD_SECONDS=0.1)
def test_a_view_that_was_cut_off_is_said_in_the_one_shape(client: Client, view: str) -> None:
    response = client.post(f"/{view}/for-long")

    problem = json.loads(response.content)
    assert (response.status_code, problem["code"]) == (503, "transaction_timed_out")
    assert response["Retry-After"] == "5"
    assert not Topic.objects.exists()


@override_settings(WRITE_LOCK_HOLD_SECONDS=0.1)
def test_an_admin_page_that_was_cut_off_is_a_page_for_people(client: Client) -> None:
    response = client.post("/admin/for-long")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "This took too long, so it was undone, and nothing was written." in response.text


@pytest.mark.usefixtures("clean_redis")
def test_an_edit_in_the_admin_of_a_busy_store_is_a_page_for_people(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    add = "/admin/items/item/add/"

    with store_held_by_another():
        response = client.post(add, {"name": "a"})

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "The store is busy, and nothing was written. Try again in a few seconds." in response.text
    assert not Item.objects.exists()
    assert client.post(add, {"name": "a"}).status_code == 302
