"""POST /api/transactions/: several changes as one write, answered by the real writer."""

from collections.abc import Callable
from typing import Any

from items.operations import TRANSACTION_MAX_OPERATIONS
from tests.e2e.service import Answer, Service
from tests.e2e.test_bad_input import assert_problem
from tests.e2e.test_rest import settled, together


def transact(service: Service, *operations: dict[str, Any], **options: Any) -> Answer:
    return service.post("/api/transactions/", {"operations": list(operations)}, **options)


def create(name: str, **more: Any) -> dict[str, Any]:
    return {"op": "create", "data": {"name": name}} | more


def new_item(service: Service, name: str) -> int:
    item_id: int = service.create(name).json()["id"]
    return item_id


def test_operations_are_applied_in_order_and_may_refer_to_earlier_creates(service: Service) -> None:
    old = new_item(service, "old")

    answer = transact(
        service,
        create("draft", ref="a"),
        {"op": "update", "id": {"ref": "a"}, "data": {"name": "final"}},
        {"op": "update", "id": old, "version": 1, "data": {"name": "older"}},
        {"op": "delete", "id": old, "version": 2},
    )

    results = answer.json()["results"]
    assert answer.status == 200
    assert [(result["op"], result["status"]) for result in results] == [
        ("create", 201), ("update", 200), ("update", 200), ("delete", 204),
    ]  # fmt: skip
    assert results[3] == {"op": "delete", "status": 204, "id": old}
    assert service.get(f"/api/items/{results[0]['item']['id']}/").json() == results[1]["item"]
    assert service.get(f"/api/items/{old}/").status == 404


def test_of_operations_that_cannot_all_be_applied_none_is(service: Service) -> None:
    item = new_item(service, "kept")

    missing = transact(service, create("gone 1"), {"op": "delete", "id": item}, {"op": "delete", "id": 10**9})
    stale = transact(service, create("gone 2"), {"op": "delete", "id": item, "version": 9})

    assert_problem(missing, 404, "not_found")
    assert missing.json()["detail"] == f"Operation 2: There is no item {10**9}."
    assert list(missing.json()["fields"]) == ["operations.2.id"]
    assert missing.headers["Write-Id"]
    assert_problem(stale, 412, "precondition_failed")
    assert list(stale.json()["fields"]) == ["operations.1.version"]
    assert service.get(f"/api/items/{item}/").json()["name"] == "kept"
    assert not {"gone 1", "gone 2"} & set(service.names())


def test_of_two_transactions_on_the_same_version_one_wins(service: Service) -> None:
    item = new_item(service, "a")
    operation = {"op": "update", "id": item, "version": 1, "data": {"name": "b"}}

    answers = together([lambda: transact(service, create("by the winner"), operation)] * 2)

    assert sorted(answer.status for answer in answers) == [200, 412]
    assert service.names().count("by the winner") == 1


def test_an_unknown_ref_is_refused_before_anything_is_submitted(service: Service) -> None:
    answer = transact(service, {"op": "delete", "id": {"ref": "b"}}, create("x", ref="b"))

    assert_problem(answer, 400, "invalid")
    assert list(answer.json()["fields"]) == ["operations.0.id"]
    assert "Write-Id" not in answer.headers


def test_a_hundred_operations_are_taken_and_one_more_is_refused(service: Service) -> None:
    operations = [create(f"hundred {number}") for number in range(TRANSACTION_MAX_OPERATIONS + 1)]

    most, too_many = transact(service, *operations[:-1]), transact(service, *operations)

    assert (most.status, len(most.json()["results"])) == (200, 100)
    assert_problem(too_many, 400, "invalid")
    assert list(too_many.json()["fields"]) == ["operations"]


def test_a_repeat_with_the_same_key_gets_the_first_response_errors_too(service: Service) -> None:
    good = [transact(service, create("once"), headers={"Idempotency-Key": "good"}) for _ in range(2)]
    bad = [
        transact(service, create("x"), {"op": "delete", "id": 10**9}, headers={"Idempotency-Key": "bad"})
        for _ in range(2)
    ]

    assert (good[0].status, good[0].body) == (good[1].status, good[1].body)
    assert service.names().count("once") == 1
    assert [answer.status for answer in bad] == [404, 404]
    assert bad[0].headers["Write-Id"] == bad[1].headers["Write-Id"]


def test_a_202_leads_to_the_results(service: Service) -> None:
    headers = {"Prefer": "respond-async"}

    good = transact(service, create("later"), headers=headers)
    bad = transact(service, {"op": "delete", "id": 10**9}, headers=headers)

    assert (good.status, bad.status) == (202, 202)
    status = settled(service, good.headers["Write-Id"])
    assert (status["status"], status["http_status"]) == ("committed", 200)
    assert status["result"]["results"][0]["item"]["name"] == "later"
    status = settled(service, bad.headers["Write-Id"])
    assert (status["status"], status["http_status"]) == ("rejected", 404)
    assert list(status["error"]["fields"]) == ["operations.0.id"]


def test_return_minimal_leaves_the_results_out(service: Service) -> None:
    answer = transact(service, create("x"), headers={"Prefer": "return=minimal"})

    assert (answer.status, answer.body) == (204, b"")


def test_if_match_is_refused_and_names_what_to_use_instead(service: Service) -> None:
    answer = transact(service, create("x"), headers={"If-Match": "*"})

    assert_problem(answer, 400, "invalid_header")
    assert answer.json()["detail"].startswith("If-Match")
    assert "`version`" in answer.json()["detail"]


def test_where_conditions_are_required_a_change_without_a_version_gets_428(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(WRITE_REQUIRE_IF_MATCH="true")
    service.start_all()
    item = new_item(service, "a")

    without = transact(service, create("b"), {"op": "delete", "id": item})
    on_new = transact(service, create("c", ref="c"), {"op": "delete", "id": {"ref": "c"}})
    with_it = transact(service, {"op": "delete", "id": item, "version": 1})

    assert_problem(without, 428, "precondition_required")
    assert list(without.json()["fields"]) == ["operations.1.version"]
    assert (on_new.status, with_it.status) == (200, 200)
    assert service.names() == []
