"""One write that creates many items, and the request behind it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from rest_framework.exceptions import ValidationError

from items.bodies import BULK_MAX_ITEMS, bulk_arguments
from items.models import Item
from workers import Outcome, submit
from workers.writes import WriteStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


def create_many(*names: Any, atomic: bool) -> Outcome:
    arguments = bulk_arguments({"atomic": atomic, "items": [{"name": name} for name in names]})
    outcome = submit("items.create_many", arguments).wait(0)
    assert outcome is not None
    return outcome


def stored_names() -> list[str]:
    return list(Item.objects.order_by("id").values_list("name", flat=True))


def refused_places(body: Any) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        bulk_arguments(body)
    assert isinstance(caught.value.detail, dict)
    return set(caught.value.detail)


@pytest.fixture
def names_are_unique() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX only_once ON {Item._meta.db_table} (name)")
        yield
        cursor.execute("DROP INDEX only_once")


@pytest.mark.parametrize("atomic", [True, False])
def test_all_items_are_created_in_order(atomic: bool) -> None:
    outcome = create_many("a", " b ", "c", atomic=atomic)

    body = outcome.json()
    assert (outcome.status, outcome.http_status) == (WriteStatus.COMMITTED, 201)
    assert (body["created"], body["rejected"]) == (3, 0)
    assert [result["status"] for result in body["results"]] == [201, 201, 201]
    assert [result["item"]["name"] for result in body["results"]] == stored_names() == ["a", "b", "c"]


def test_an_invalid_item_has_its_verdict_at_its_place_and_stops_no_other() -> None:
    outcome = create_many("", "a", 5, "b", "x" * 201, atomic=False)

    body = outcome.json()
    assert stored_names() == ["a", "b"]
    assert (outcome.http_status, body["created"], body["rejected"]) == (201, 2, 3)
    assert [result["status"] for result in body["results"]] == [400, 201, 400, 201, 400]
    assert body["results"][0]["error"] == {
        "code": "invalid",
        "detail": "The item is not valid.",
        "fields": {"name": ["This field may not be blank."]},
    }


def test_a_request_in_which_no_item_is_valid_is_a_write_without_an_effect() -> None:
    outcome = create_many("", "", atomic=False)

    body = outcome.json()
    assert (outcome.status, outcome.http_status) == (WriteStatus.COMMITTED, 200)
    assert (body["created"], body["rejected"], len(body["results"])) == (0, 2, 2)


@pytest.mark.usefixtures("names_are_unique")
def test_an_item_that_the_store_refuses_fails_alone() -> None:
    outcome = create_many("a", "", "a", "b", atomic=False)

    body = outcome.json()
    assert stored_names() == ["a", "b"]
    assert (outcome.http_status, body["created"], body["rejected"]) == (201, 2, 2)
    assert [result["status"] for result in body["results"]] == [201, 400, 409, 201]
    assert body["results"][2]["error"] == {
        "code": "conflict",
        "detail": "The change conflicts with what is stored. Item with this Name already exists.",
        "fields": {"name": ["Item with this Name already exists."]},
    }
    assert body["results"][3]["item"]["id"] == Item.objects.get(name="b").pk


@pytest.mark.usefixtures("names_are_unique")
def test_all_or_none_when_the_store_refuses_one() -> None:
    outcome = create_many("a", "b", "a", atomic=True)

    assert stored_names() == []
    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
        WriteStatus.REJECTED,
        409,
        "conflict",
    )


def test_all_or_none_names_each_invalid_item_by_position() -> None:
    items = [{"name": "a"}, {"name": ""}, 5, None, {}, {"name": "b"}]

    assert refused_places({"items": items}) == {"items.1.name", "items.2", "items.3", "items.4.name"}


def test_all_or_none_is_the_default() -> None:
    assert bulk_arguments({"items": [{"name": "a"}]}) == {
        "atomic": True,
        "data": [{"name": "a"}],
        "refused": [],
    }


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (None, "non_field_errors"),
        ([{"name": "a"}], "non_field_errors"),
        ({"items": [{"name": "a"}], "Atomic": False}, "non_field_errors"),
        ({}, "items"),
        ({"items": None}, "items"),
        ({"items": {"0": {"name": "a"}}}, "items"),
        ({"items": []}, "items"),
        ({"items": [{"name": "a"}] * (BULK_MAX_ITEMS + 1)}, "items"),
        ({"items": [{"name": "a"}], "atomic": None}, "atomic"),
        ({"items": [{"name": "a"}], "atomic": 0}, "atomic"),
        ({"items": [{"name": "a"}], "atomic": "false"}, "atomic"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_of_another_form_is_refused_by_the_name_of_its_error(body: Any, place: str) -> None:
    assert refused_places(body) == {place}


def test_as_many_items_as_the_limit_allows_are_taken() -> None:
    assert len(bulk_arguments({"items": [{"name": "a"}] * BULK_MAX_ITEMS})["data"]) == BULK_MAX_ITEMS
