"""Views in a project as others have it: DRF's own exception handler, versions and parents in the paths."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import include, path
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import HyperlinkedModelSerializer, SerializerMethodField
from rest_framework.test import APIClient
from rest_framework.versioning import NamespaceVersioning, URLPathVersioning
from rest_framework.viewsets import ModelViewSet

from tests.notebooks.models import Note, Tag
from tests.notebooks.views import NotebookViewSet, NoteViewSet, TagSerializer, TagViewSet
from workers.rest import QueuedWritesMixin, queued
from workers.testing import held_writes


class VersionedTagSerializer(HyperlinkedModelSerializer):
    version = SerializerMethodField()

    class Meta:
        model = Tag
        fields = ["url", "id", "name", "version"]

    def get_version(self, tag: Tag) -> Any:
        return self.context["request"].version


class ByNamespaceViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Tag.objects.order_by("id")
    serializer_class: Any = VersionedTagSerializer
    versioning_class: Any = NamespaceVersioning


class WithHeadersViewSet(ByNamespaceViewSet):
    serializer_class = TagSerializer
    versioning_class = None

    def get_success_headers(self, data: Any) -> dict[str, Any]:
        return {**super().get_success_headers(data), "X-Tag-Length": len(data["name"])}


class ByPathViewSet(ByNamespaceViewSet):
    serializer_class = TagSerializer
    versioning_class = URLPathVersioning


@api_view(["POST"])
@queued
def make(request: Request) -> Response:
    return Response({"name": Tag.objects.create(name="made").name}, status=201)


def routes(views: Any, *, basename: str) -> list[Any]:
    router = SimpleRouter()
    router.register("tags", views, basename=basename)
    return router.urls


router = SimpleRouter()
router.register("tags", TagViewSet, basename="tag")
router.register("notes", NoteViewSet, basename="note")
router.register("notebooks", NotebookViewSet, basename="notebook")
urlpatterns = [
    *router.urls,
    path("make/", make),
    path("api/", include("workers.rest.urls")),
    path("v1/", include((routes(ByNamespaceViewSet, basename="tag"), "tags"), namespace="v1")),
    path("v2/", include((routes(ByNamespaceViewSet, basename="tag"), "tags"), namespace="v2")),
    path("headers/", include(routes(WithHeadersViewSet, basename="with-headers"))),
    path("paths/<str:version>/", include(routes(ByPathViewSet, basename="by-path"))),
]
handler404, handler500 = "django.views.defaults.page_not_found", "django.views.defaults.server_error"
PLAIN = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": "rest_framework.views.exception_handler"}
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("writes_at_once")]


@pytest.fixture(autouse=True)
def _project() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__, REST_FRAMEWORK=PLAIN):
        yield


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


def send(user: User, method: str, where: str, body: Any = None, **headers: str) -> Any:
    client = APIClient()
    client.force_authenticate(user)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return getattr(client, method)(where, body, format="json", headers=named)


def test_a_conflict_is_told_with_its_code_and_its_field(ada: User) -> None:
    Tag.objects.create(name="x")

    refused = send(ada, "post", "/tags/", {"name": "x"})

    assert refused.status_code == 409
    assert refused.json() == {
        "detail": "The change conflicts with what is stored. Tag with this Name already exists.",
        "code": "conflict",
        "fields": {"name": ["Tag with this Name already exists."]},
    }
    assert refused["Write-Id"].isdecimal()


def test_what_the_writer_finds_invalid_has_the_form_of_what_the_view_does(ada: User) -> None:
    unclean = send(ada, "post", "/notes/", {"text": "unclean"})
    locked = Note.objects.create(owner=ada, text="a", is_locked=True)
    kept = send(ada, "delete", f"/notes/{locked.pk}/")

    assert (unclean.status_code, unclean.json()) == (400, {"text": ["This text is not clean."]})
    assert (kept.status_code, kept.json()) == (400, {"is_locked": ["A locked note stays."]})


def test_a_repeat_while_the_first_one_waits_says_so_and_where_to_ask(ada: User) -> None:
    with held_writes():
        accepted, repeat = (send(ada, "post", "/tags/", {"name": "x"}, Idempotency_Key="k") for _ in range(2))

    assert (accepted.status_code, repeat.status_code) == (202, 409)
    assert repeat.json()["code"] == "idempotency_key_in_progress"
    told = ("Location", "Write-Id")
    assert [repeat[name] for name in told] == [accepted[name] for name in told]
    assert repeat["Retry-After"] == "1"


def test_a_read_that_is_too_early_says_when_to_come_again(ada: User) -> None:
    with held_writes(), override_settings(WRITE_WAIT_SECONDS=0.1):
        accepted = send(ada, "post", "/tags/", {"name": "x"}, Prefer="respond-async")
        early = send(ada, "get", "/tags/", Read_After=accepted["Write-Id"])

    assert (early.status_code, early.json()["code"]) == (503, "not_committed_yet")
    assert early["Retry-After"] == "1"


def test_a_queued_view_of_drf_tells_its_errors_whole(ada: User) -> None:
    with held_writes():
        accepted, repeat = (send(ada, "post", "/make/", {}, Idempotency_Key="k") for _ in range(2))

    assert (accepted.status_code, repeat.status_code) == (202, 409)
    assert repeat.json()["code"] == "idempotency_key_in_progress"
    assert repeat["Location"] == accepted["Location"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_writer_knows_the_version_that_a_namespace_says(ada: User, version: str) -> None:
    created = send(ada, "post", f"/{version}/tags/", {"name": "x"})

    assert created.status_code == 201, created.content
    key = Tag.objects.get().pk
    where = f"/{version}/tags/{key}/"
    assert created.json() == {
        "url": f"http://testserver{where}",
        "id": key,
        "name": "x",
        "version": version,
    }
    assert created["Location"] == where
    shown = send(ada, "get", where)
    assert (shown.json(), shown["ETag"]) == (created.json(), created["ETag"])
    changed = send(ada, "patch", where, {"name": "y"}, If_Match=created["ETag"])
    assert (changed.status_code, changed.json()["version"]) == (200, version)


def test_what_a_path_has_beside_the_key_stands_in_the_location(ada: User) -> None:
    created = send(ada, "post", "/paths/v2/tags/", {"name": "x"})

    assert created["Location"] == f"/paths/v2/tags/{created.json()['id']}/"


def test_headers_of_the_views_own_are_in_the_response_and_in_a_repeat(ada: User) -> None:
    first, again = (
        send(ada, "post", "/headers/tags/", {"name": "four"}, Idempotency_Key="one") for _ in range(2)
    )

    assert (first.status_code, first["X-Tag-Length"]) == (201, "4")
    assert first["Location"] == f"/headers/tags/{first.json()['id']}/"
    assert (again["X-Tag-Length"], again["Location"]) == ("4", first["Location"])


def test_a_location_by_another_field_than_the_key_is_as_it_was(ada: User) -> None:
    created = send(ada, "post", "/notebooks/", {"title": "A", "slug": "a-b"})

    assert created["Location"] == "/notebooks/a-b/"
