"""One write that changes several items, and the request behind it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from rest_framework.exceptions import ValidationError

from items.models import Item
from items.operations import TRANSACTION_MAX_OPERATIONS, transaction_arguments
from workers import Outcome, submit
from workers.rest import ProblemError
from workers.writes import WriteStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("writes_at_once")]


def create(name: str, ref: str | None = None) -> dict[str, Any]:
    return {"op": "create", "data": {"name": name}} | ({"ref": ref} if ref else {})


def update(target: Any, name: str, **more: Any) -> dict[str, Any]:
    return {"op": "update", "id": target, "data": {"name": name}} | more


def delete(target: Any, **more: Any) -> dict[str, Any]:
    return {"op": "delete", "id": target} | more


def transact(*operations: dict[str, Any]) -> Outcome:
    arguments = transaction_arguments({"operations": list(operations)})
    outcome = submit("items.transact", arguments).wait(0)
    assert outcome is not None
    return outcome


def stored() -> dict[str, int]:
    """Return the version of each item by name."""
    return dict(Item.objects.order_by("id").values_list("name", "version"))


def faults_of(*operations: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        transaction_arguments({"operations": list(operations)})
    assert isinstance(caught.value.detail, dict)
    return caught.value.detail


@pytest.fixture
def item() -> int:
    [outcome] = transact(create("a")).json()["results"]
    item_id: int = outcome["item"]["id"]
    return item_id


@pytest.fixture
def names_are_unique() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX only_once ON {Item._meta.db_table} (name)")
        yield
        cursor.execute("DROP INDEX only_once")


def test_operations_are_applied_in_order_with_a_result_each(item: int) -> None:
    outcome = transact(create("b"), update(item, "c"), delete(item))

    created, updated, deleted = outcome.json()["results"]
    assert (outcome.status, outcome.http_status) == (WriteStatus.COMMITTED, 200)
    assert (created["op"], created["status"], created["item"]["name"]) == ("create", 201, "b")
    assert (updated["op"], updated["status"], updated["item"]["version"]) == ("update", 200, 2)
    assert deleted == {"op": "delete", "status": 204, "id": item}
    assert stored() == {"b": 1}


def test_later_operations_refer_to_what_earlier_ones_create() -> None:
    outcome = transact(
        create("a", "first"), create("b", "second"), update({"ref": "first"}, "c"), delete({"ref": "second"})
    )

    results = outcome.json()["results"]
    assert results[2]["item"]["id"] == results[0]["item"]["id"]
    assert results[3]["id"] == results[1]["item"]["id"]
    assert stored() == {"c": 2}


def test_a_version_is_compared_with_the_one_that_earlier_operations_leave(item: int) -> None:
    good = transact(update(item, "b", version=1), update(item, "c", version=2))
    stale = transact(update(item, "d", version=3), update(item, "e", version=3))

    assert good.http_status == 200
    assert (stale.http_status, list(stale.json()["fields"])) == (412, ["operations.1.version"])
    assert stored() == {"c": 3}


def test_an_item_that_is_missing_rejects_all_and_is_named(item: int) -> None:
    outcome = transact(update(item, "b"), create("c"), delete(item + 1_000))

    assert (outcome.status, outcome.http_status) == (WriteStatus.REJECTED, 404)
    assert outcome.json() == {
        "code": "not_found",
        "detail": f"Operation 2: There is no item {item + 1_000}.",
        "fields": {"operations.2.id": [f"There is no item {item + 1_000}."]},
    }
    assert stored() == {"a": 1}


def test_what_an_earlier_operation_deletes_is_missing_to_later_ones(item: int) -> None:
    by_id, by_ref = (
        transact(delete(item), update(item, "b")),
        transact(create("b", "b"), delete({"ref": "b"}), delete({"ref": "b"})),
    )

    assert (by_id.http_status, list(by_id.json()["fields"])) == (404, ["operations.1.id"])
    assert (by_ref.http_status, list(by_ref.json()["fields"])) == (404, ["operations.2.id"])
    assert stored() == {"a": 1}


def test_a_stale_version_rejects_all_and_is_named(item: int) -> None:
    outcome = transact(create("b"), delete(item, version=2))

    body = outcome.json()
    assert (outcome.status, outcome.http_status, body["code"]) == (
        WriteStatus.REJECTED,
        412,
        "precondition_failed",
    )
    assert body["detail"].startswith(f"Operation 1: Item {item} has changed")
    assert list(body["fields"]) == ["operations.1.version"]
    assert stored() == {"a": 1}


@pytest.mark.usefixtures("names_are_unique")
def test_an_operation_that_the_store_refuses_rejects_all_and_is_named(item: int) -> None:
    for operation in (create("a"), update({"ref": "b"}, "a")):
        outcome = transact(create("b", "b"), operation)

        assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
            WriteStatus.REJECTED,
            409,
            "conflict",
        )
        assert outcome.json()["detail"].startswith("Operation 1: ")
        assert list(outcome.json()["fields"]) == ["operations.1.data.name"]
        assert stored() == {"a": 1}


def test_refs_that_no_earlier_operation_creates_are_refused() -> None:
    errors = faults_of(delete({"ref": "a"}), create("x", "a"), delete({"ref": "a"}), delete({"ref": "b"}))

    assert set(errors) == {"operations.0.id", "operations.3.id"}


def test_a_ref_is_given_once() -> None:
    assert faults_of(create("x", "a"), create("y", "a")) == {
        "operations.1.ref": ["'a' is the ref of operation 0 already."]
    }


@pytest.mark.parametrize("ref", ["a" * 65, "a\n", "ä", ".", ""])
def test_a_ref_of_other_characters_or_too_many_is_refused(ref: str) -> None:
    assert set(faults_of({"op": "create", "data": {"name": "x"}, "ref": ref})) == {"operations.0.ref"}


@pytest.mark.parametrize("ref", ["a", "a" * 64, "A-9_z"])
def test_a_ref_of_1_to_64_characters_is_taken(ref: str) -> None:
    assert transact(create("x", ref), delete({"ref": ref})).http_status == 200


def test_everything_that_is_wrong_is_named_at_once() -> None:
    errors = faults_of(5, {"op": "x"}, create(""), update(0, "", version=0), {"op": "delete", "data": {}})

    assert set(errors) == {
        "operations.0",
        "operations.1.op",
        "operations.2.data.name",
        "operations.3.id",
        "operations.3.version",
        "operations.3.data.name",
        "operations.4",
        "operations.4.id",
    }


def test_the_limit_of_operations_is_kept() -> None:
    most = [create("x")] * TRANSACTION_MAX_OPERATIONS

    assert len(transaction_arguments({"operations": most})["operations"]) == 100
    with pytest.raises(ValidationError):
        transaction_arguments({"operations": [*most, create("x")]})


@override_settings(WRITE_REQUIRE_IF_MATCH=True)
def test_where_conditions_are_required_only_what_is_new_may_do_without_a_version(item: int) -> None:
    good = transact(create("b", "b"), update({"ref": "b"}, "c"), update(item, "d", version=1))
    with pytest.raises(ProblemError) as caught:
        transact(create("e"), delete(item))

    assert good.http_status == 200
    assert (caught.value.status_code, caught.value.code) == (428, "precondition_required")
    assert caught.value.fields == {"operations.1.version": ["Send the version that you read."]}
    assert stored() == {"c": 2, "d": 2}
