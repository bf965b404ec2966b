"""Views that hand writes over in a project with ATOMIC_REQUESTS, whose transaction holds the store lock."""

import json
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIClient
from rest_framework.viewsets import ModelViewSet

from tests.answering import Answered
from tests.jottings.models import Topic
from workers.rest import QueuedWritesMixin, headers, queued
from workers.writer.loop import Writer


class TopicSerializer(ModelSerializer):
    class Meta:
        model = Topic
        fields = ["id", "name"]


class TopicViewSet(QueuedWritesMixin, ModelViewSet):
    permission_classes = [AllowAny]
    queryset = Topic.objects.order_by("id")
    serializer_class = TopicSerializer

    def _handed_over(self, request: Any) -> Response:
        Topic.objects.count()
        return self.perform_write("jottings.add_topic", {"name": request.data["name"]})

    @action(detail=False, methods=["post"])
    def by_hand(self, request: Request) -> Response:
        return self._handed_over(request)

    @action(detail=False, methods=["post"])
    def in_block(self, request: Request) -> Response:
        with transaction.atomic():
            Topic.objects.count()
        return self._handed_over(request)

    @action(detail=False, methods=["post"])
    def inside_block(self, request: Request) -> Response:
        with transaction.atomic():
            return self._handed_over(request)

    @action(detail=False, methods=["post"])
    def noted_before(self, request: Any) -> Response:
        Topic.objects.create(name=f"before {request.data['name']}")
        return self._handed_over(request)

    @action(detail=False, methods=["post"])
    def noted_after(self, request: Any) -> Response:
        response = self._handed_over(request)
        Topic.objects.create(name=f"after {request.data['name']}")
        if request.data["name"] == "bad":
            raise ZeroDivisionError("on purpose")
        return response


class PlainViewSet(ModelViewSet):
    permission_classes = [AllowAny]
    queryset = Topic.objects.order_by("id")
    serializer_class = TopicSerializer

    @queued
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)


@csrf_exempt
@queued
def add(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"id": Topic.objects.create(name=json.loads(request.body)["name"]).pk}, status=201)


router = SimpleRouter()
router.register("topics", TopicViewSet, basename="topic")
router.register("plain", PlainViewSet, basename="plain")
urlpatterns = [*router.urls, path("function/", add)]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def _atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


def post(url: str, name: str = "a", **given: str) -> Any:
    client = APIClient(raise_request_exception=False)
    return client.post(url, {"name": name}, headers=given)


def names() -> list[str]:
    return sorted(Topic.objects.values_list("name", flat=True))


@pytest.mark.parametrize(
    "url", ["/topics/", "/topics/by_hand/", "/topics/in_block/", "/plain/", "/function/"]
)
def test_the_writer_commits_while_the_request_waits_for_it(url: str, answered: Answered) -> None:
    answer = answered(lambda: post(url))

    assert (answer.status_code, answer.json()["id"]) == (201, Topic.objects.get(name="a").pk)


def test_objects_are_changed_and_deleted_as_well(answered: Answered) -> None:
    url = f"/topics/{Topic.objects.create(name='a').pk}/"

    assert answered(lambda: APIClient().put(url, {"name": "b"})).status_code == 200
    assert names() == ["b"]
    assert answered(lambda: APIClient().delete(url)).status_code == 204
    assert names() == []


def test_a_read_waits_for_the_write_that_it_names_and_shows_it(
    writer: Writer, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = post("/topics/", Prefer="respond-async")
    has_begun, read_after = threading.Event(), headers.read_after

    def read_after_begin(request: Any) -> int | None:
        has_begun.set()
        return read_after(request)

    monkeypatch.setattr(headers, "read_after", read_after_begin)
    monkeypatch.setattr(writer, "drain", lambda: has_begun.wait(20) and Writer.drain(writer))

    asked = {"Read-After": accepted.headers["Write-Id"]}
    answer = answered(lambda: APIClient().get("/topics/", headers=asked))

    assert (answer.status_code, [one["name"] for one in answer.json()]) == (200, ["a"])


@pytest.mark.parametrize("url", ["/topics/noted_before/", "/topics/inside_block/"])
def test_a_transaction_that_has_to_stay_open_waits_for_nobody(
    url: str, answered: Answered, writer: Writer
) -> None:
    answer = answered(lambda: post(url))

    assert answer.status_code == 202
    writer.drain()
    assert names() == (["a", "before a"] if "before" in url else ["a"])


def test_what_a_view_writes_after_the_wait_is_one_transaction_again(answered: Answered) -> None:
    assert answered(lambda: post("/topics/noted_after/")).status_code == 201
    assert answered(lambda: post("/topics/noted_after/", "bad")).status_code == 500

    assert names() == ["a", "after a", "bad"]


def test_large_writes_of_one_client_wait_for_each_other(answered: Answered, settings: Any) -> None:
    settings.WRITE_SHARE_BYTES = 1
    name = "a" * 50
    body = {"name": name, "padding": " " * 100_000}

    answer = answered(lambda: APIClient().post("/topics/by_hand/", body))

    assert (answer.status_code, names()) == (201, [name])
