"""Conditions of writes: what GET hands out is checked in the writer, for every view; else it is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import override_settings
from django.urls import set_script_prefix
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import cache_page
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import RetrieveUpdateDestroyAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from items.models import Item
from tests.answering import Answered
from tests.jottings.models import Measurement, Topic
from tests.jottings.views import MeasurementSerializer, MeasurementViewSet
from tests.people import superuser
from workers import submit, write_function
from workers.models import Receipt
from workers.registry import _functions
from workers.rest import QueuedUpdateMixin, QueuedWriteMixin, QueuedWritesMixin
from workers.stream.conditions import CONDITION
from workers.writer.loop import Writer
from workers.writes import Result, Write

LIST = "/api/measurements/"
CHANGES = ("put", "patch", "delete")
BODY = {"label": "a", "low": 1}


def send(method: str, path: str, body: Any = None, **headers: str) -> Callable[[], Any]:
    client = APIClient()
    client.force_authenticate(superuser())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: getattr(client, method)(path, body, format="json", headers=named)


def change(method: str, path: str, **headers: str) -> Callable[[], Any]:
    return send(method, path, None if method == "delete" else BODY, **headers)


@pytest.fixture
def path(answered: Answered) -> str:
    return f"{LIST}{Measurement.objects.create(label='a').pk}/"


def tag_of(path: str) -> str:
    tag: str = send("get", path)()["ETag"]
    assert tag.startswith('"')
    assert send("head", path)()["ETag"] == tag
    return tag


@pytest.mark.parametrize("method", CHANGES)
def test_a_stale_tag_changes_nothing_and_the_right_one_does(
    answered: Answered, path: str, method: str
) -> None:
    tag = tag_of(path)

    stale = answered(change(method, path, If_Match='"stale"'))
    untouched = Measurement.objects.get().low
    fresh = answered(change(method, path, If_Match=f'"stale", {tag}'))

    assert (stale.status_code, stale.json()["code"], untouched) == (412, "precondition_failed", 0)
    assert stale.json()["detail"].startswith("If-Match: ")
    assert fresh.status_code in {200, 204}, fresh.content
    gone = answered(change(method, path, If_Match=tag))
    assert gone.status_code == 412


@pytest.mark.parametrize("method", CHANGES)
def test_only_a_tag_of_strong_form_matches(answered: Answered, path: str, method: str) -> None:
    for value in (f"W/{tag_of(path)}", '"*"', send("get", LIST)()["ETag"]):
        assert answered(change(method, path, If_Match=value)).status_code == 412
    assert Measurement.objects.get().low == 0
    assert answered(change(method, path, If_Match="*")).status_code in {200, 204}


@pytest.mark.parametrize("method", CHANGES)
def test_what_does_not_exist_matches_nothing(answered: Answered, method: str) -> None:
    for value in ("*", '"a"'):
        assert answered(change(method, f"{LIST}999/", If_Match=value)).status_code == 412
    for value in ("*", '"a"'):
        assert answered(change(method, f"{LIST}999/", If_None_Match=value)).status_code == 404


@pytest.mark.parametrize("method", CHANGES)
def test_what_exists_is_not_written_under_if_none_match(answered: Answered, path: str, method: str) -> None:
    tag = tag_of(path)

    for value in ("*", tag, f'"x", W/{tag}'):
        refused = answered(change(method, path, If_None_Match=value))
        assert (refused.status_code, refused.json()["detail"][:14]) == (412, "If-None-Match:")
    assert Measurement.objects.get().low == 0
    assert answered(change(method, path, If_None_Match='"x"')).status_code in {200, 204}


def test_every_condition_must_hold_and_the_first_that_does_not_is_named(
    answered: Answered, path: str
) -> None:
    tag = tag_of(path)

    second = answered(change("patch", path, If_Match=tag, If_None_Match=tag))
    first = answered(change("patch", path, If_Match='"x"', If_None_Match=tag))
    both = answered(change("patch", path, If_Match=tag, If_None_Match='"x"'))

    assert (second.status_code, second.json()["detail"][:13]) == (412, "If-None-Match")
    assert (first.status_code, first.json()["detail"][:8]) == (412, "If-Match")
    assert both.status_code == 200


LONG_AGO, FAR = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 06 Nov 2093 08:49:37 GMT"


def test_a_date_is_ignored_where_no_date_of_change_is_known(answered: Answered, path: str) -> None:
    assert answered(change("patch", path, If_Unmodified_Since=LONG_AGO)).status_code == 200
    assert answered(send("post", LIST, {"label": "b"}, If_Unmodified_Since=LONG_AGO)).status_code == 201


@pytest.mark.parametrize("value", ["*", '"x"'])
def test_a_create_refuses_conditions_on_what_does_not_exist_yet(path: str, value: str) -> None:
    for target, body in (
        (LIST, {"label": "b"}),
        ("/api/items/", {"name": "a"}),
        ("/api/items/bulk/", {"items": [{"name": "a"}]}),
        ("/api/transactions/", {"operations": [{"op": "create", "data": {"name": "a"}}]}),
    ):
        match = send("post", target, body, If_Match=value)()
        none_match = send("post", target, body, If_None_Match=value)()

        assert (match.status_code, match.json()["code"]) == (400, "invalid_header")
        assert match.json()["detail"].startswith("If-Match: ")
        # The list itself exists, so `*` is a condition that does not hold; its tags are not the writer's.
        assert none_match.status_code == (412 if value == "*" else 400)
    assert Measurement.objects.count() == 1
    assert not Item.objects.exists()


def test_items_are_checked_alike(answered: Answered) -> None:
    created = answered(send("post", "/api/items/", {"name": "a"}))
    path, tag = created["Location"], created["ETag"]
    assert tag_of(path) == tag

    changed = answered(send("patch", path, {"name": "b"}, If_Match=f"{tag},"))
    stale = answered(send("put", path, {"name": "c"}, If_Match=tag))
    exists = answered(send("put", path, {"name": "c"}, If_None_Match="*"))
    deleted = answered(send("delete", path, If_Match=changed["ETag"]))

    assert [one.status_code for one in (changed, stale, exists, deleted)] == [200, 412, 412, 204]


def test_of_two_writes_of_one_batch_under_one_tag_the_first_wins(writer: Writer, answered: Answered) -> None:
    measurement = Measurement.objects.create(label="a")
    path = f"{LIST}{measurement.pk}/"
    tag = tag_of(path)
    for low in (5, 6):
        accepted = send("patch", path, {"low": low}, If_Match=tag, Prefer="respond-async")()
        assert accepted.status_code == 202

    writer.drain()

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)) == [200, 412]
    assert Measurement.objects.get().low == 5


def test_what_has_not_changed_is_responded_to_with_304(path: str) -> None:
    tag = tag_of(path)

    assert send("get", path, If_None_Match=tag)().status_code == 304
    assert send("get", path, If_None_Match='"x"')().status_code == 200


@override_settings(WRITE_REQUIRE_IF_MATCH=True)
@pytest.mark.parametrize("method", CHANGES)
def test_where_a_tag_is_required_every_view_asks_for_it(answered: Answered, path: str, method: str) -> None:
    tag = tag_of(path)

    for headers in ({}, {"If_None_Match": '"x"'}, {"If_Unmodified_Since": FAR}):
        assert change(method, path, **headers)().status_code == 428
    assert answered(change(method, path, If_Match=tag)).status_code in {200, 204}
    assert answered(send("post", LIST, {"label": "b"})).status_code == 201


def test_a_key_that_is_used_again_under_another_condition_is_refused(answered: Answered, path: str) -> None:
    conditions: list[dict[str, str]] = [
        {"If_None_Match": '"x"'},
        {},
        {"If_Match": "*"},
        {"If_Unmodified_Since": FAR},
    ]

    statuses = [
        answered(change("patch", path, Idempotency_Key="k", **one)).status_code
        for one in [conditions[0], *conditions]
    ]

    assert statuses == [200, 200, 422, 422, 422]


# Views of other kinds. They stand here, where the writer can import them.


def call(view: Any, method: str, body: Any = None, **how: Any) -> Callable[[], Any]:
    """Make a request of a view without a route."""
    headers = {f"HTTP_{name.upper()}": value for name, value in how.pop("headers", {}).items()}
    headers |= how.pop("environ", {})
    actions = how.pop("actions", None)
    url, user = how.pop("url", "/"), how.pop("user", None) or superuser()

    def request() -> Any:
        made = getattr(APIRequestFactory(), method)(url, body, format="json", **headers)
        force_authenticate(made, user)
        return (view.as_view(actions) if actions else view.as_view())(made, **how).render()

    return request


DETAIL = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}


class TopicName(serializers.ModelSerializer):
    """Shows what is stored elsewhere, and what depends on the request."""

    topic_name = serializers.CharField(source="topic.name", read_only=True, default=None)
    path = serializers.SerializerMethodField()
    asked_by = serializers.SerializerMethodField()
    said = serializers.SerializerMethodField()

    class Meta:
        model = Measurement
        fields = ["id", "label", "low", "topic", "topic_name", "path", "asked_by", "said"]

    def get_path(self, measurement: Measurement) -> str:
        request = self.context["request"]
        return f"{request.build_absolute_uri('/m/')}{measurement.pk}{request.query_params.get('style', '')}"

    def get_asked_by(self, measurement: Measurement) -> str:
        return str(self.context["request"].user.pk)

    def get_said(self, measurement: Measurement) -> str:
        return gettext("January")


class Related(MeasurementViewSet):
    serializer_class: Any = TopicName


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create(username="ada")


@pytest.mark.parametrize("url", ["/", "/x/?style=plain", "http://localhost:8000/a%20b/"])
def test_a_tag_is_of_all_that_get_shows(answered: Answered, ada: User, url: str) -> None:
    topic = Topic.objects.create(name="t")
    how = {
        "pk": Measurement.objects.create(label="a", topic=topic).pk,
        "url": url,
        "user": ada,
        "actions": DETAIL,
    }
    with translation.override("de"):
        tag = call(Related, "get", **how)()["ETag"]

        def write() -> Any:
            with translation.override("de"):
                return call(Related, "patch", {"low": 0}, headers={"If_Match": tag}, **how)()

        fresh = answered(write)
        Topic.objects.update(name="another")
        stale = answered(write)

    assert (fresh.status_code, stale.status_code) == (200, 412)


class Modified(MeasurementViewSet):
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().retrieve(request, *args, **kwargs)
        response["Last-Modified"] = "Sun, 06 Nov 2005 08:49:37 GMT"
        response["ETag"] = f'"v{self.get_object().low}"'
        return response


def test_what_a_view_sets_itself_is_what_is_checked(answered: Answered) -> None:
    how: dict[str, Any] = {"pk": Measurement.objects.create(label="a").pk, "actions": DETAIL}

    def patch(low: int, **headers: str) -> int:
        status: int = answered(call(Modified, "patch", {"low": low}, headers=headers, **how)).status_code
        return status

    assert call(Modified, "get", **how)()["ETag"] == '"v0"'
    assert patch(1, If_Match='"v0"') == 200
    assert patch(2, If_Match='"v0"') == 412
    assert patch(2, If_Unmodified_Since=LONG_AGO) == 412
    assert patch(2, If_Unmodified_Since="yesterday") == 200
    assert patch(3, If_Unmodified_Since=FAR) == 200
    assert patch(4, If_Unmodified_Since=LONG_AGO, If_Match='"v3"') == 200


class Cached(MeasurementViewSet):
    @method_decorator(cache_page(60))
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)


def test_a_cache_of_responses_does_not_stand_between_the_writer_and_the_store(answered: Answered) -> None:
    measurement = Measurement.objects.create(label="a")
    how: dict[str, Any] = {"pk": measurement.pk, "actions": DETAIL}
    tag = call(Cached, "get", **how)()["ETag"]
    Measurement.objects.update(low=3)

    stale = answered(call(Cached, "patch", {"low": 1}, headers={"If_Match": tag}, **how))

    assert stale.status_code == 412


class ByLabel(MeasurementViewSet):
    lookup_field = "label"
    update_function = "conditions.rename"


@pytest.fixture(autouse=True)
def _functions_of_these_tests() -> Any:
    known = dict(_functions)

    @write_function("conditions.rename")
    def rename(write: Write) -> Result:
        assert CONDITION not in write.arguments
        Measurement.objects.filter(label=write.arguments["id"]).update(low=7)
        return Result()

    @rename.bulk
    def rename_together(writes: Any) -> Any:
        Measurement.objects.update(low=7)
        return [Result() for _ in writes]

    yield
    _functions.clear()
    _functions.update(known)


def test_an_object_may_be_named_by_another_field_than_its_key(answered: Answered) -> None:
    Measurement.objects.create(label="a")
    how: dict[str, Any] = {"label": "a", "actions": DETAIL}
    tag = call(ByLabel, "get", **how)()["ETag"]

    stale = answered(call(ByLabel, "patch", {}, headers={"If_Match": '"x"'}, **how))
    fresh = answered(call(ByLabel, "patch", {}, headers={"If_Match": tag}, **how))

    assert (stale.status_code, fresh.status_code, Measurement.objects.get().low) == (412, 200, 7)


def test_writes_under_conditions_are_checked_one_by_one_where_their_function_takes_many(
    writer: Writer, answered: Answered
) -> None:
    Measurement.objects.create(label="a")
    how: dict[str, Any] = {"label": "a", "actions": DETAIL}
    tag = call(ByLabel, "get", **how)()["ETag"]
    for value in (tag, tag, "*"):
        call(ByLabel, "patch", {}, headers={"If_Match": value, "Prefer": "respond-async"}, **how)()

    writer.drain()

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)) == [200, 412, 200]


class WithActions(MeasurementViewSet):
    @action(detail=True, methods=["post"])
    def rename(self, request: Request, pk: str) -> Response:
        label = Measurement.objects.get(pk=pk).label
        return self.perform_write("conditions.rename", {"id": label})

    @action(detail=False, methods=["post"])
    def rename_all(self, request: Request) -> Response:
        return self.perform_write("conditions.rename", {"id": "a"})


def test_actions_of_a_view_are_checked_or_refuse(answered: Answered) -> None:
    pk = Measurement.objects.create(label="a").pk
    tag = call(WithActions, "get", pk=pk, actions=DETAIL)()["ETag"]

    def rename(value: str) -> int:
        done = answered(
            call(WithActions, "post", headers={"If_Match": value}, actions={"post": "rename"}, pk=pk)
        )
        return int(done.status_code)

    of_all = call(WithActions, "post", headers={"If_Match": tag}, actions={"post": "rename_all"})()

    assert (rename('"x"'), of_all.status_code, Measurement.objects.get().low) == (412, 400, 0)
    assert rename(tag) == 200


class Generic(QueuedWritesMixin, RetrieveUpdateDestroyAPIView):
    queryset = Measurement.objects.all()
    serializer_class = MeasurementSerializer
    update_function, destroy_function = "jottings.correct", "jottings.forget"


class WriteOnly(QueuedWriteMixin, APIView):
    permission_classes: Any = ()

    def put(self, request: Request) -> Response:
        return self.perform_write("conditions.rename", {"id": "a"})


def test_generic_views_are_checked_and_views_without_objects_refuse(answered: Answered) -> None:
    pk = Measurement.objects.create(label="a").pk
    tag = call(Generic, "get", pk=pk)()["ETag"]

    stale = answered(call(Generic, "delete", headers={"If_Match": '"x"'}, pk=pk))
    fresh = answered(call(Generic, "patch", {"low": 2}, headers={"If_Match": tag}, pk=pk))
    refused = call(WriteOnly, "put", {}, headers={"If_Match": tag})()
    plain = answered(call(WriteOnly, "put", {}))

    assert (stale.status_code, fresh.status_code, refused.status_code) == (412, 200, 400)
    assert plain.status_code == 200


class WithoutGet(QueuedUpdateMixin, GenericViewSet):
    """Hands its tags out with the answers to writes alone."""

    queryset = Measurement.objects.all()
    serializer_class = MeasurementSerializer
    update_function = "jottings.correct"

    def get_entity_tag(self, body: Any) -> str | None:
        return f"{body['id']},{body['low']}" if body else None


def test_a_view_without_get_checks_the_tags_that_its_responses_to_writes_have(answered: Answered) -> None:
    pk = Measurement.objects.create(label="a").pk

    def patch(low: int, value: str) -> Any:
        headers = {"If_Match": value}
        actions = {"patch": "partial_update"}
        return answered(call(WithoutGet, "patch", {"low": low}, headers=headers, pk=pk, actions=actions))

    first = patch(1, "*")

    assert (first.status_code, first["ETag"]) == (200, f'"{pk},1"')
    assert [patch(2, first["ETag"]).status_code, patch(3, first["ETag"]).status_code] == [200, 412]


def test_a_view_that_the_writer_cannot_import_refuses_conditions(answered: Answered) -> None:
    made: Any = type("Made", (MeasurementViewSet,), {})
    pk = Measurement.objects.create(label="a").pk

    refused = call(made, "patch", {"low": 1}, headers={"If_Match": "*"}, pk=pk, actions=DETAIL)()
    plain = answered(call(made, "patch", {"low": 1}, pk=pk, actions=DETAIL))

    assert (refused.status_code, refused.data["code"], plain.status_code) == (400, "invalid_header", 200)


class Broken(MeasurementViewSet):
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if request.auth is None:  # in the writer
            raise ZeroDivisionError("on purpose")
        return super().retrieve(request, *args, **kwargs)


def test_a_condition_that_cannot_be_checked_fails_the_write_and_stays_with_its_retry(
    answered: Answered, writer: Writer
) -> None:
    pk = Measurement.objects.create(label="a").pk

    failed = answered(call(Broken, "patch", {"low": 1}, headers={"If_Match": "*"}, pk=pk, actions=DETAIL))
    [receipt] = Receipt.objects.all()

    assert (failed.status_code, Measurement.objects.get().low) == (500, 0)
    assert CONDITION in receipt.arguments


def test_a_condition_of_a_write_that_no_request_made_is_checked_too(
    writer: Writer, answered: Answered
) -> None:
    measurement = Measurement.objects.create(label="a")
    condition = {"by": f"{__name__}:Never"}

    submit("jottings.forget", {"id": measurement.pk, CONDITION: condition}, announced=False).accepted()
    writer.drain()

    assert (Receipt.objects.get().http_status, Measurement.objects.count()) == (403, 1)


class Never:
    @classmethod
    def check_condition(cls, condition: Any) -> None:
        from django.core.exceptions import PermissionDenied

        raise PermissionDenied


class Streaming(MeasurementViewSet):
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return HttpResponse("text")


def test_a_response_that_is_no_representation_gets_no_tag(db: None) -> None:
    request = APIRequestFactory().get("/")

    assert not Streaming.as_view({"get": "retrieve"})(request, pk=1).has_header("ETag")


class Linked(MeasurementViewSet):
    class Serializer(serializers.ModelSerializer):
        url = serializers.HyperlinkedIdentityField(view_name="measurement-detail")

        class Meta:
            model = Measurement
            fields = ["id", "url"]

    serializer_class: Any = Serializer


def test_a_tag_is_of_the_links_of_a_service_under_a_path(answered: Answered) -> None:
    how: dict[str, Any] = {"pk": Measurement.objects.create(label="a").pk, "actions": DETAIL}

    def under_a_path(request: Callable[[], Any]) -> Any:
        def made() -> Any:
            set_script_prefix("/app")  # as the handler of a server does, in the request's own thread
            return request()

        return answered(made)

    under = {"SCRIPT_NAME": "/app"}
    shown = under_a_path(call(Linked, "get", environ=under, **how))
    headers = {"If_Match": shown["ETag"]}
    deleted = under_a_path(call(Linked, "delete", environ=under, headers=headers, **how))

    assert shown.data["url"].startswith("http://testserver/app/api/measurements/")
    assert deleted.status_code == 204
