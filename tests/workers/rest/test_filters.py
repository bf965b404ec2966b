"""What a list is asked and does not understand is refused by name, not ignored."""

from typing import Any
from urllib.parse import quote

import django_filters
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from items.models import Item
from items.views import ItemViewSet
from tests.edges import EDGE_VALUES
from tests.jottings.models import Jotting, Measurement
from tests.workers.rest.lists import ask
from workers.rest import BoundedSearchFilter, KnownParameters, QueuedWritesMixin, StrictOrderingFilter

pytestmark = pytest.mark.django_db


class MeasurementFilter(django_filters.FilterSet):
    count = django_filters.RangeFilter()
    topics = django_filters.ModelMultipleChoiceFilter(field_name="topic", queryset=Jotting.objects.all())

    class Meta:
        model = Measurement
        fields = {
            "id": ["exact", "gt", "in"],
            "label": ["exact", "iregex"],
            "at": ["lt", "year", "date", "hour"],
            "day": ["gt"],
            "hour": ["gt"],
            "took": ["lt"],
            "amount": ["exact", "lt"],
            "serial": ["exact"],
        }


class MeasurementSerializer(ModelSerializer):
    class Meta:
        model = Measurement
        fields = ["id", "label"]


class MeasurementViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Measurement.objects.all()
    serializer_class = MeasurementSerializer
    filter_backends = [KnownParameters, DjangoFilterBackend, BoundedSearchFilter, StrictOrderingFilter]
    filterset_class = MeasurementFilter
    search_fields = ["^label", "=place"]
    query_parameters = ["own"]


def refused(query: str, viewset: Any = ItemViewSet) -> dict[str, list[str]]:
    answer = ask(viewset, query)
    assert (answer.status_code, answer.data["code"]) == (400, "invalid"), answer.data
    fields: dict[str, list[str]] = answer.data["fields"]
    return fields


@pytest.mark.parametrize(
    "value", ["nmae", "-", "--name", "version", "name,", ",", "name,-version", "", "%00", "NAME", "?"]
)
def test_an_ordering_that_is_not_known_is_refused_and_what_is_known_is_named(value: str) -> None:
    [message] = refused(f"ordering={quote(value, safe='%')}")["ordering"]

    assert (
        message.endswith("use id, -id, name, -name.")
        or message == "Is empty; give it a value or leave it out."
    )


def test_an_ordering_that_is_known_is_followed() -> None:
    for ordering in ("id", "-id", "name", "-name", "name,-id", "name, id", "id,id"):
        assert ask(ItemViewSet, f"ordering={quote(ordering)}").status_code == 200


def test_a_parameter_that_is_not_known_is_refused_and_what_is_known_is_named() -> None:
    assert refused("nmae=x") == {
        "nmae": [
            "Is not known here; known are created_after, created_before, cursor, format, name, "
            "name__startswith, ordering, page_size, search."
        ]
    }
    assert list(refused("x" * 500 + "=1")) == ["x" * 50]


@pytest.mark.parametrize("name", ["name", "search", "ordering", "page_size", "cursor", "created_after"])
def test_a_parameter_that_is_empty_or_given_twice_is_refused(name: str) -> None:
    assert refused(f"{name}=") == {name: ["Is empty; give it a value or leave it out."]}
    assert refused(f"{name}=1&{name}=1") == {name: ["Is given more than once."]}


def test_a_list_knows_all_that_its_backends_and_its_own_view_read() -> None:
    known = "own=1&label=x&at__lt=2026-01-01&at__year=2026&count_min=1&count_max=2"

    assert ask(MeasurementViewSet, f"{known}&search=x&ordering=id&format=json").status_code == 200
    assert list(refused("count=1", MeasurementViewSet)) == ["count"]
    assert list(refused("page_size=1", MeasurementViewSet)) == ["page_size"]
    assert list(refused("topics=1&topics=2", MeasurementViewSet)) == ["topics"]  # no such topics


@pytest.mark.parametrize(
    "search",
    [
        "a " * 9, "a," * 9, "x" * 201, '"' + "a " * 9 + '"', "\0", "a\0", " ", ",", ", ,", "a+" * 1_500,
        "\t".join("abcdefghi"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_search_past_its_limits_is_refused_without_a_look_into_the_store(search: str) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        [message] = refused(f"search={quote(search)}")["search"]

    assert "8 words" in message or "200 characters" in message
    assert len(queries) == 0


@pytest.mark.parametrize(
    "search", ["a", "a b c d e f g h", '"a b" c', "'", '"', '""', "'a", "\\", "%", "_", "é ß", "x" * 200]
)
def test_a_search_within_its_limits_is_served(search: str) -> None:
    assert ask(ItemViewSet, f"search={quote(search)}").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "name__startswith",
        "created_after",
        "created_before",
        "search",
        "ordering",
        "cursor",
        "page_size",
    ],
)
def test_no_value_of_any_parameter_is_the_servers_error(name: str) -> None:
    Item.objects.create(name="x", created_at="2026-01-01T00:00Z", updated_at="2026-01-01T00:00Z")

    for edge in EDGE_VALUES:
        answer = ask(ItemViewSet, f"{name}={quote(edge)}")
        assert answer.status_code in {200, 400, 404}, (edge, answer.data)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_outside_of_the_calendar_is_refused_by_its_name(value: str) -> None:
    assert refused(f"created_after={quote(value)}") == {
        "created_after": ["Lies outside of the years 1 to 9999 in UTC."]
    }


def test_a_name_longer_than_any_is_refused() -> None:
    for name in ("name", "name__startswith"):
        [message] = refused(f"{name}={'x' * 201}")[name]
        assert "200" in message


# No transaction around all: PostgreSQL takes nothing more in one after an error.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", MeasurementFilter.base_filters)
def test_no_value_of_any_filter_of_an_own_viewset_is_the_servers_error(name: str) -> None:
    Measurement.objects.create(label="x", at="2026-01-01T00:00Z", payload={"a": 1})

    for edge in EDGE_VALUES:
        answer = ask(MeasurementViewSet, f"{name}={quote(edge)}")
        assert answer.status_code in {200, 400}, (edge, answer.data)
