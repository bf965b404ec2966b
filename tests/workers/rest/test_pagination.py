"""Every row is on one page, whatever the ordering, and a walk through the pages ends."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, F
from django.db.models.functions import Length
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from items.models import Item
from items.views import ItemViewSet
from tests.jottings.models import Jotting, Measurement, Topic
from tests.workers.rest.lists import ask, last_page, walk
from workers.rest import KeysetPagination, QueuedWritesMixin, StrictOrderingFilter

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_items(names: list[str]) -> None:
    Item.objects.bulk_create(Item(name=name, created_at=NOON, updated_at=NOON) for name in names)


class JottingSerializer(ModelSerializer):
    class Meta:
        model = Jotting
        fields = ["id", "text", "topic"]


class JottingViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer
    pagination_class: Any = KeysetPagination
    filter_backends: Any = [StrictOrderingFilter]
    ordering_fields = ["id", "text", "topic", "topic__name", "length"]

    def get_queryset(self) -> Any:
        return super().get_queryset().annotate(length=Length("text"))


class MeasurementSerializer(ModelSerializer):
    class Meta:
        model = Measurement
        fields = ["id", "label", "place", "took", "at", "day", "hour", "amount"]


class MeasurementViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Measurement.objects.all()
    serializer_class = MeasurementSerializer
    pagination_class = KeysetPagination
    filter_backends = [StrictOrderingFilter]


@pytest.mark.parametrize("ordering", ["name", "-name", "id", "-id"])
def test_a_walk_through_1100_equal_names_meets_each_of_3000_rows_once_in_both_directions(
    ordering: str,
) -> None:
    names = ["same"] * 1_100 + [f"n{number % 700}" for number in range(1_900)]
    random.Random(1).shuffle(names)
    make_items(names)
    query = f"ordering={ordering}&page_size=100"

    forward = list(walk(ItemViewSet, query))
    backward = list(walk(ItemViewSet, last_page(ItemViewSet, query), link="previous"))

    descending, field = ordering.startswith("-"), ordering.lstrip("-")
    met: list[dict[str, Any]] = [row for page in forward for row in page]
    expected = sorted(Item.objects.values_list(field, "id"), reverse=descending)
    assert len(forward) == 30
    assert [(row[field], row["id"]) for row in met] == expected
    assert [row for page in reversed(backward) for row in page] == met


def test_one_of_drfs_own_cursors_ends_too() -> None:
    class ByText(CursorPagination):
        page_size = 100
        ordering = "text"

    class Own(JottingViewSet):
        pagination_class = ByText
        filter_backends = [OrderingFilter]

    Jotting.objects.bulk_create(Jotting(text="same") for _ in range(1_150))

    pages = list(walk(Own, ""))

    assert [row["id"] for page in pages for row in page] == list(Jotting.objects.values_list("pk", flat=True))
    assert [len(page) for page in pages] == [100] * 11 + [50]


@pytest.mark.parametrize(
    "ordering",
    [
        "topic", "-topic", "topic__name", "-topic__name", "length", "-length",
        "topic,text", "topic,-text", "-topic,text,length", "text,topic", "-text,-topic", "length,-topic,text",
    ],
)  # fmt: skip
def test_nulls_relations_annotations_and_several_fields_have_their_place(ordering: str) -> None:
    topics = [None, *(Topic.objects.create(name=name) for name in "bca")]
    chance = random.Random(2)
    Jotting.objects.bulk_create(
        Jotting(text=chance.choice(["", "a", "b", "aa", "bb"]), topic=chance.choice(topics))
        for _ in range(60)
    )
    query = f"ordering={ordering}&page_size=7"

    forward = [row["id"] for page in walk(JottingViewSet, query) for row in page]
    backward = list(walk(JottingViewSet, last_page(JottingViewSet, query), link="previous"))

    # By Python, with NULL before all else.
    expected = list(Jotting.objects.annotate(length=Length("text")).order_by("pk").select_related("topic"))
    sign = -1 if ordering.split(",")[-1].startswith("-") else 1
    expected.sort(key=lambda row: sign * row.pk)
    for term in reversed(ordering.split(",")):
        expected.sort(key=partial(sorting_key, term), reverse=term.startswith("-"))
    assert forward == [row.pk for row in expected]
    assert [row["id"] for page in reversed(backward) for row in page] == forward


def sorting_key(term: str, row: Any) -> Any:
    values = {"topic": row.topic_id, "topic__name": row.topic and row.topic.name}
    values |= {"text": row.text, "length": row.length}
    value = values[term.lstrip("-")]
    return (value is not None, value if value is not None else 0)


@pytest.mark.parametrize("name", ["took", "at", "day", "hour", "amount", "label", "place"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_values_of_every_type_survive_the_way_through_a_cursor(name: str, sign: str) -> None:
    for number in range(12):
        step = number // 3
        Measurement.objects.create(
            label=f"ü\x01 {number:02}",
            place="x" * step if name == "place" else str(number),
            took=timedelta(days=step - 2, microseconds=step) if step else None,
            at=NOON + timedelta(microseconds=step) if step else None,
            day=(NOON + timedelta(days=step)).date() if step and name != "place" else None,
            hour=NOON.time().replace(microsecond=step) if step and name != "place" else None,
            amount=Decimal(step) / 3 if step else None,
        )

    pages = list(walk(MeasurementViewSet, f"ordering={sign}{name}&page_size=2"))

    pks = [row.pk for row in Measurement.objects.order_by("pk")]
    assert [row["id"] for page in pages for row in page] == (pks[::-1] if sign else pks)


@pytest.mark.sqlite  # by SQLite's plan of the query
def test_a_page_costs_no_more_however_deep_it_lies() -> None:
    make_items(["same"] * 300 + ["other"] * 300)
    plans: list[list[str]] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            context["connection"].connection  # noqa: B018 - open
            cursor = context["connection"].connection.execute(
                f"EXPLAIN QUERY PLAN {sql.replace('%s', '?')}", params
            )
            plans.append([row[-1] for row in cursor.fetchall()])
        return execute(sql, params, many, context)

    for ordering in ("name", "-name"):
        with connection.execute_wrapper(explain):
            list(walk(ItemViewSet, f"ordering={ordering}&page_size=100"))

    steps = {step for plan in plans for step in plan}
    assert all("USING INDEX" in step for step in steps), steps
    assert {step.partition(" (")[2] for step in steps} == {
        "", "name=? AND rowid>?)", "name>?)", "name=? AND rowid<?)", "name<?)",
    }  # fmt: skip


def test_a_row_that_appears_or_goes_between_two_pages_moves_no_other() -> None:
    make_items(["b", "d", "f", "h"])
    first = ask(ItemViewSet, "ordering=name&page_size=2").data
    Item.objects.filter(name="d").delete()
    make_items(["a", "e"])

    second = ask(ItemViewSet, first["next"].partition("?")[2]).data

    assert [row["name"] for row in second["results"]] == ["e", "f"]


def test_behind_a_page_that_has_become_empty_lies_all_there_is() -> None:
    make_items(["a", "b", "c", "d"])
    first = ask(ItemViewSet, "page_size=2").data
    Item.objects.filter(name__in="cd").delete()

    empty = ask(ItemViewSet, first["next"].partition("?")[2]).data
    back = ask(ItemViewSet, empty["previous"].partition("?")[2]).data

    assert (empty["results"], empty["next"]) == ([], None)
    assert [row["name"] for row in back["results"]] == ["a", "b"]
    assert (back["previous"], back["next"]) == (None, None)


def cursor_of(url: str) -> str:
    return url.partition("cursor=")[2].partition("&")[0]


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "%00", "cD14", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ%3D%3D", "bz0xMDAwMDAwMDAwMDAwMDAwMDAwMDA%3D",
        "cj0xJnA9eA%3D%3D", "%ED%A0%80", "W2ZhbHNlLFsxXV0", "W2ZhbHNlLFsxXV0:x", "a" * 3_000, ":", "=",
        "%F0%9F%98%80",
    ],
)  # fmt: skip
def test_a_cursor_that_was_made_up_is_refused(cursor: str) -> None:
    answer = ask(ItemViewSet, f"cursor={cursor}")

    assert (answer.status_code, answer.data["code"]) == (404, "not_found")
    assert "begin again" in answer.data["detail"]


def test_a_cursor_of_another_ordering_or_another_list_is_refused() -> None:
    make_items(["a", "b"])
    Jotting.objects.create(text="a")
    Jotting.objects.create(text="b")
    by_name = cursor_of(ask(ItemViewSet, "ordering=name&page_size=1").data["next"])
    of_jottings = cursor_of(ask(JottingViewSet, "ordering=id&page_size=1").data["next"])

    refused = [
        ask(ItemViewSet, f"cursor={by_name}"),
        ask(ItemViewSet, f"cursor={by_name}&ordering=-name"),
        ask(ItemViewSet, f"cursor={by_name}&ordering=id"),
        ask(ItemViewSet, f"cursor={of_jottings}"),
        ask(ItemViewSet, f"cursor={by_name[:-1]}&ordering=name"),
    ]

    assert [answer.status_code for answer in refused] == [404] * 5
    assert ask(ItemViewSet, f"cursor={by_name}&ordering=name").status_code == 200
    assert ask(ItemViewSet, f"cursor={by_name}&ordering=name,id,name").status_code == 200


@pytest.mark.parametrize(
    "value", ["null", "0", "-1", "+5", "1e2", "5 ", "%C2%B2", "1001", "9" * 40, "", "1.0", "0x5"]
)
def test_a_page_size_that_is_none_is_refused_and_the_limit_is_named(value: str) -> None:
    answer = ask(JottingViewSet, f"page_size={value.replace('+', '%2B')}")

    assert (answer.status_code, answer.data["code"]) == (400, "invalid")
    assert answer.data["fields"] == {"page_size": ["Must be a whole number from 1 to 1,000."]}


def test_a_list_by_pages_of_numbers_or_without_pages_is_in_an_order_without_ties() -> None:
    class ByNumber(PageNumberPagination):
        page_size = 5

    class Numbered(JottingViewSet):
        pagination_class = ByNumber

    class Whole(JottingViewSet):
        pagination_class = None

    Jotting.objects.bulk_create(Jotting(text="same") for _ in range(20))
    pks = list(Jotting.objects.order_by("pk").values_list("pk", flat=True))

    numbered = [
        row["id"] for n in (1, 2, 3, 4) for row in ask(Numbered, f"ordering=-text&page={n}").data["results"]
    ]

    assert numbered == pks[::-1]
    assert [row["id"] for row in ask(Whole, "ordering=text").data] == pks


def test_a_list_of_groups_keeps_its_groups() -> None:
    class Groups(JottingViewSet):
        pagination_class = None
        filter_backends = []

        def get_queryset(self) -> Any:
            return Jotting.objects.values("text").annotate(count=Count("pk")).order_by("text")

        def get_serializer(self, rows: Any, **_: Any) -> Any:
            return type("Rows", (), {"data": list(rows)})

    Jotting.objects.bulk_create(Jotting(text=text) for text in "aab")

    assert ask(Groups).data == [{"text": "a", "count": 2}, {"text": "b", "count": 1}]


class ByExpression(JottingViewSet):
    queryset = Jotting.objects.order_by(F("text").asc())
    filter_backends: Any = []


class ByManyRows(JottingViewSet):
    queryset: Any = Topic.objects.all()
    ordering = ["jotting__text"]

    def get_queryset(self) -> Any:
        return Topic.objects.all()


class ByBytes(MeasurementViewSet):
    ordering = ["raw"]


@pytest.mark.parametrize("viewset", [ByExpression, ByManyRows, ByBytes])
def test_an_ordering_that_gives_a_row_no_place_is_named_to_the_developer(
    viewset: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        Measurement.objects.create(label=str(number), raw=b"x")

    assert ask(viewset, "page_size=1").status_code == 500
    assert "ImproperlyConfigured: Pages need an ordering by names" in caplog.text or (
        "it cannot be paged" in caplog.text or "which holds bytes" in caplog.text
    )
