"""What the web process checks of a body: its shape. What is unique is the writer's to say."""

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar

import pytest
from rest_framework import serializers
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.validators import UniqueForDateValidator, UniqueValidator

from tests.answering import Answered
from tests.jottings.models import Measurement, Topic
from tests.jottings.views import MeasurementViewSet
from workers.rest import SharedFieldsMixin, unknown_fields

PATH = "/api/measurements/"


def send(method: str, path: str, body: Any, **headers: Any) -> Callable[[], Any]:
    return lambda: getattr(APIClient(), method.lower())(path, body, format="json", **headers)


@pytest.fixture
def stored(answered: Answered) -> Measurement:
    return Measurement.objects.create(label="a", place="here", day=date(2026, 1, 2))


def path_of(measurement: Measurement) -> str:
    return f"{PATH}{measurement.pk}/"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_update_may_send_the_unique_value_that_the_object_has(
    answered: Answered, stored: Measurement, method: str
) -> None:
    shown = APIClient().get(path_of(stored)).json()

    answer = answered(send(method, path_of(stored), shown | {"low": 3}))

    assert (answer.status_code, answer.json()) == (200, shown | {"low": 3})


@pytest.mark.parametrize("change", [{"place": "there"}, {"day": "2026-01-03"}, {"low": 1}, {}])
def test_a_patch_need_not_send_the_other_fields_of_a_constraint(
    answered: Answered, stored: Measurement, change: dict[str, Any]
) -> None:
    answer = answered(send("PATCH", path_of(stored), change))

    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize(
    ("change", "fields"), [({"label": "b"}, {"label"}), ({"place": "there"}, {"place", "day"})]
)
def test_the_store_says_which_values_are_taken(
    answered: Answered, stored: Measurement, change: dict[str, Any], fields: set[str]
) -> None:
    Measurement.objects.create(label="b", place="there", day=date(2026, 1, 2))
    whole = APIClient().get(path_of(stored)).json() | {"label": "c"}

    patched = answered(send("PATCH", path_of(stored), change))
    put = answered(send("PUT", path_of(stored), whole | change))
    posted = answered(send("POST", PATH, whole | {"day": "2026-01-02", "place": "elsewhere"} | change))

    for answer in (patched, put, posted):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert set(answer.json()["fields"]) == fields


def test_a_create_that_is_repeated_by_its_key_does_not_meet_its_own_unique_value(answered: Answered) -> None:
    create = send("POST", PATH, {"label": "mine"}, HTTP_IDEMPOTENCY_KEY="once")

    first, again = answered(create), answered(create)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert Measurement.objects.count() == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_field_that_is_not_known_is_named_and_nothing_is_written(
    answered: Answered, stored: Measurement, method: str
) -> None:
    path = PATH if method == "POST" else path_of(stored)

    answer = send(method, path, {"label": "new", "lable": "b", "x" * 5_000: 1})()

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["fields"]) == {"lable", "x" * 50}
    assert Measurement.objects.get().label == "a"


def test_what_is_not_known_is_named_beside_what_is_not_valid() -> None:
    answer = send("POST", PATH, {"lable": "b", "low": "x"})()

    assert set(answer.json()["fields"]) == {"lable", "label", "low"}


def test_a_body_of_unknown_names_is_told_in_short() -> None:
    answer = send("POST", PATH, {f"name {number}": 1 for number in range(5_000)} | {"label": "a"})()

    assert answer.status_code == 400
    assert len(answer.json()["fields"]) == 20


class ShownElsewhere(serializers.ModelSerializer):
    topic_name = serializers.CharField(source="topic.name", read_only=True, default=None)

    class Meta:
        model = Measurement
        fields = ["id", "label", "topic_name"]


class TwoSerializers(MeasurementViewSet):
    def get_serializer_class(self) -> Any:
        return ShownElsewhere if self.action == "retrieve" else super().get_serializer_class()


def call(view: Any, method: str, body: Any, **kwargs: Any) -> Callable[[], Any]:
    actions = {"post": "create", "put": "update", "patch": "partial_update"}
    request = getattr(APIRequestFactory(), method)("/", body, format="json")
    return lambda: view.as_view({method: actions[method]})(request, **kwargs)


def test_what_another_serializer_of_the_view_shows_may_be_sent_back(
    answered: Answered, stored: Measurement
) -> None:
    taken = answered(call(TwoSerializers, "patch", {"topic_name": None, "low": 1}, pk=stored.pk))
    refused = call(TwoSerializers, "patch", {"topic_nmae": None}, pk=stored.pk)()

    assert (taken.status_code, refused.status_code) == (200, 400)


class Lenient(MeasurementViewSet):
    refuses_unknown_fields = False


def test_a_view_may_ignore_what_it_does_not_know(answered: Answered) -> None:
    answer = answered(call(Lenient, "post", {"label": "a", "lable": "b"}))

    assert answer.status_code == 201


class TopicSerializer(serializers.ModelSerializer):
    class Meta:
        model = Topic
        fields = ["id", "name"]


class Nested(serializers.Serializer):
    topic = TopicSerializer()
    topics = TopicSerializer(many=True, required=False)
    anything = serializers.JSONField(required=False)
    map = serializers.DictField(required=False)


def test_unknown_names_are_found_in_nested_serializers() -> None:
    data = {
        "topic": {"name": "a", "id": 3, "nmae": "b"},
        "topics": [{"name": "a"}, {"nmae": "b"}, 5],
        "anything": {"a": 1},
        "map": {"b": 2},
    }

    assert set(unknown_fields(Nested(data=data), data)) == {"topic.nmae", "topics.1.nmae"}
    assert set(unknown_fields(Nested(many=True), [data, {"x": 1}])) == {
        "0.topic.nmae",
        "0.topics.1.nmae",
        "1.x",
    }
    assert unknown_fields(Nested(), [1]) == {}


class WithRulesOfItsOwn(serializers.ModelSerializer):
    """Says what is unique where the store has no constraint for it."""

    place = serializers.CharField(validators=[UniqueValidator(Measurement.objects.all(), lookup="iexact")])

    class Meta:
        model = Measurement
        fields = ["id", "label", "place", "day", "low"]
        validators: ClassVar[list[Any]] = [
            UniqueForDateValidator(Measurement.objects.all(), field="low", date_field="day")
        ]


class RulesOfItsOwn(MeasurementViewSet):
    serializer_class: Any = WithRulesOfItsOwn


def test_a_rule_without_a_constraint_in_the_store_is_checked_in_the_web_process(
    answered: Answered, stored: Measurement
) -> None:
    Measurement.objects.create(label="b", place="there", day=date(2026, 1, 3), low=5)

    own = answered(call(RulesOfItsOwn, "patch", {"place": "HERE"}, pk=stored.pk))
    put = answered(
        call(
            RulesOfItsOwn, "put", {"label": "a", "place": "here", "day": "2026-01-02", "low": 0}, pk=stored.pk
        )
    )
    taken = call(RulesOfItsOwn, "patch", {"place": "THERE"}, pk=stored.pk)()
    same_day = call(RulesOfItsOwn, "patch", {"day": "2026-01-03", "low": 5}, pk=stored.pk)()
    created = call(RulesOfItsOwn, "post", {"label": "c", "place": "There", "day": "2026-02-02", "low": 1})()
    missing = answered(call(RulesOfItsOwn, "patch", {"place": "there"}, pk=999))

    assert (own.status_code, put.status_code) == (200, 200)
    assert (taken.status_code, list(taken.data["fields"])) == (400, ["place"])
    assert (same_day.status_code, list(same_day.data["fields"])) == (400, ["low"])
    assert (created.status_code, list(created.data["fields"])) == (400, ["place"])
    assert missing.status_code == 404


class SharedMeasurement(SharedFieldsMixin, serializers.ModelSerializer):
    class Meta:
        model = Measurement
        fields = ["id", "label", "place", "day"]


class Shared(MeasurementViewSet):
    serializer_class: Any = SharedMeasurement


def test_shared_fields_leave_uniqueness_to_the_store_too(answered: Answered, stored: Measurement) -> None:
    put = answered(call(Shared, "put", {"label": "a", "place": "here", "day": "2026-01-02"}, pk=stored.pk))
    patched = answered(call(Shared, "patch", {"place": "there"}, pk=stored.pk))
    posted = answered(call(Shared, "post", {"label": "a", "place": "x", "day": "2026-01-02"}))

    assert (put.status_code, patched.status_code, posted.status_code) == (200, 200, 409)
