"""POST /api/items/bulk/: many items with one write, answered by the real writer."""

from typing import Any

import pytest

from items.bodies import BULK_MAX_ITEMS
from tests.e2e.service import Answer, Service
from tests.e2e.test_bad_input import assert_problem
from tests.e2e.test_rest import settled


def bulk(service: Service, names: list[Any], *, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    body["items"] = [{"name": name} for name in names]
    return service.post("/api/items/bulk/", body, headers=headers)


def test_all_items_of_a_request_are_created_in_its_order(service: Service) -> None:
    names = [f"ordered {number}" for number in range(20)]

    answer = bulk(service, names)

    body = answer.json()
    assert (answer.status, body["created"], body["rejected"]) == (201, 20, 0)
    assert [result["item"]["name"] for result in body["results"]] == names
    assert [name for name in service.names() if name.startswith("ordered")] == names
    first = body["results"][0]["item"]
    assert service.get(f"/api/items/{first['id']}/").json() == first
    assert "Location" not in answer.headers


def test_one_invalid_item_refuses_them_all_and_is_named_by_position(service: Service) -> None:
    answer = bulk(service, ["none 0", "none 1", "", "none 3", 5])

    assert_problem(answer, 400, "invalid")
    assert list(answer.json()["fields"]) == ["items.2.name", "items.4.name"]
    assert "Write-Id" not in answer.headers
    assert [name for name in service.names() if name.startswith("none")] == []


def test_without_atomic_each_item_has_its_verdict_in_the_order_of_the_request(service: Service) -> None:
    answer = bulk(service, ["", "each 1", "x" * 201, "each 3"], atomic=False)

    body = answer.json()
    assert (answer.status, body["created"], body["rejected"]) == (201, 2, 2)
    assert [result["status"] for result in body["results"]] == [400, 201, 400, 201]
    assert body["results"][1]["item"]["name"] == "each 1"
    assert list(body["results"][2]["error"]["fields"]) == ["name"]
    assert [name for name in service.names() if name.startswith("each")] == ["each 1", "each 3"]


def test_without_atomic_a_request_without_a_valid_item_is_responded_to_with_200_and_has_a_receipt(
    service: Service,
) -> None:
    answer = bulk(service, ["", 5], atomic=False)

    assert (answer.status, answer.json()["created"], answer.json()["rejected"]) == (200, 0, 2)
    status = service.get(f"/api/writes/{answer.headers['Write-Id']}/").json()
    assert (status["status"], status["result"]) == ("committed", answer.json())


def test_a_thousand_items_are_taken_and_one_more_is_refused(service: Service) -> None:
    names = [f"limit {number}" for number in range(BULK_MAX_ITEMS + 1)]

    most, too_many = bulk(service, names[:-1]), bulk(service, names)

    assert (BULK_MAX_ITEMS, most.status, most.json()["created"]) == (1_000, 201, 1_000)
    assert_problem(too_many, 400, "invalid")
    assert too_many.json()["fields"] == {"items": ["Send 1 to 1,000 items, not 1,001."]}
    assert sum(name.startswith("limit") for name in service.names()) == 1_000


@pytest.mark.parametrize("atomic", [True, False])
def test_a_repeat_with_the_same_key_gets_the_first_response_and_has_no_effect(
    service: Service, atomic: bool
) -> None:
    name, headers = f"once {atomic}", {"Idempotency-Key": f"bulk-{atomic}"}
    names = [name, name] if atomic else [name, "", name]

    first, again = (bulk(service, names, headers=headers, atomic=atomic) for _ in range(2))
    other = bulk(service, [name], headers=headers, atomic=atomic)

    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["Write-Id"] == first.headers["Write-Id"]
    assert_problem(other, 422, "idempotency_key_reused")
    assert service.names().count(name) == 2


def test_a_202_leads_to_the_complete_response(service: Service) -> None:
    answer = bulk(service, ["later 0", "", "later 2"], atomic=False, headers={"Prefer": "respond-async"})

    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "respond-async")
    status = settled(service, answer.headers["Write-Id"])
    assert (status["status"], status["http_status"]) == ("committed", 201)
    assert [result["status"] for result in status["result"]["results"]] == [201, 400, 201]


def test_return_minimal_leaves_the_verdicts_out(service: Service) -> None:
    answer = bulk(service, ["a"], headers={"Prefer": "return=minimal"})

    assert (answer.status, answer.body) == (201, b"")


def test_if_match_is_refused_by_name(service: Service) -> None:
    answer = bulk(service, ["a"], headers={"If-Match": '"1-1"'})

    assert_problem(answer, 400, "invalid_header")
    assert answer.json()["detail"].startswith("If-Match")
