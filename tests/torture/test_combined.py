"""The checker knows writes of several changes: one that is applied in part, made up, is found."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from items.bodies import bulk_arguments
from items.operations import transaction_arguments
from tests.torture import checker
from tests.torture.combined import bulk_body, new_items, status_due, transaction_body
from tests.torture.history import from_events, item_name
from tests.torture.snapshot import Receipt, Row, Snapshot
from tests.torture.test_checker import answer, created, cut, kinds, receipt, shown

BULK, TRANSACTION = "0.0.000002", "0.0.000003"
OLD = "0.0.000001"


def send(label: str, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    about = {"operation": operation, "item": label, "item_id": 0, "key": "", "body": body}
    return {"event": "send", "label": label, "at": 1.0, **about}


def bulk() -> tuple[list[dict[str, Any]], Receipt, list[Row]]:
    """Return the events, the receipt and the rows of a bulk in which the second of three is invalid."""
    names = [item_name(f"{BULK}+0", BULK), "", item_name(f"{BULK}+2", BULK)]
    body = {"atomic": False, "items": [{"name": name} for name in names]}
    result = {
        "results": [
            {"status": 201, "item": shown(2, names[0], 1)},
            {"status": 400, "error": {"code": "invalid"}},
            {"status": 201, "item": shown(3, names[2], 1)},
        ]
    }
    events = [send(BULK, "bulk", body), answer(BULK, 201, write_id=11, body=result)]
    rows = [Row(item_id=2, name=names[0], version=1), Row(item_id=3, name=names[2], version=1)]
    return events, receipt(11, "create_many", 201, result), rows


def transaction(*, version: int = 1) -> tuple[list[dict[str, Any]], list[Receipt], list[Row]]:
    """Return the events, the receipts and the rows of a create and of a transaction that changes its item."""
    events, made, _ = created(OLD, 1, 10)
    new, old = item_name(f"{TRANSACTION}+0", TRANSACTION), item_name(OLD, TRANSACTION)
    operations = [
        {"op": "create", "ref": "new", "data": {"name": new}},
        {"op": "update", "id": 1, "version": version, "data": {"name": old}},
        {"op": "delete", "id": 1},
    ]
    result = {
        "results": [
            {"op": "create", "status": 201, "item": shown(2, new, 1)},
            {"op": "update", "status": 200, "item": shown(1, old, 2)},
            {"op": "delete", "status": 204, "id": 1},
        ]
    }
    events += [
        send(TRANSACTION, "transact", {"operations": operations}),
        answer(TRANSACTION, 200, write_id=12, body=result),
    ]
    rows = [Row(item_id=2, name=new, version=1)]
    return events, [made, receipt(12, "transact", 200, result)], rows


def test_a_whole_bulk_and_a_whole_transaction_have_no_violations() -> None:
    events, made, rows = bulk()
    assert checker.check(from_events(events), Snapshot(receipts=[made], rows=rows)) == []

    events, receipts, rows = transaction()
    assert checker.check(from_events(events), Snapshot(receipts=receipts, rows=rows)) == []


def test_an_item_of_a_committed_write_without_a_row_is_lost() -> None:
    events, made, rows = bulk()
    assert "lost" in kinds(from_events(events), Snapshot(receipts=[made], rows=rows[:1]))

    events, receipts, _ = transaction()
    assert "lost" in kinds(from_events(events), Snapshot(receipts=receipts, rows=[]))


def test_a_deletion_of_a_committed_transaction_that_did_not_happen_is_found() -> None:
    events, receipts, rows = transaction()
    kept = Row(item_id=1, name=item_name(OLD, TRANSACTION), version=2)

    assert kinds(from_events(events), Snapshot(receipts=receipts, rows=[kept, *rows])) == ["lost"]


def test_a_receipt_that_leaves_a_part_out_is_found() -> None:
    events, made, rows = bulk()
    short = {"results": made.body["results"][:-1]}
    events[-1]["body"] = short

    snapshot = Snapshot(receipts=[replace(made, body=short)], rows=rows[:1])

    assert kinds(from_events(events), snapshot) == ["applied in part"]


def test_an_item_of_a_rejected_or_unheard_of_write_is_found() -> None:
    events, receipts, rows = transaction(version=7)
    made, _ = receipts
    old = Row(item_id=1, name=item_name(OLD, OLD), version=1)
    rejected = receipt(12, "transact", 412, {"code": "precondition_failed"})
    told = answer(TRANSACTION, 412, write_id=12, code="precondition_failed")
    history = from_events([*events[:-1], told])

    assert kinds(history, Snapshot(receipts=[made, rejected], rows=[old])) == []
    assert "applied though refused" in kinds(history, Snapshot(receipts=[made, rejected], rows=[old, *rows]))
    unheard_of = from_events([*events[:-1], cut(TRANSACTION)])
    assert kinds(unheard_of, Snapshot(receipts=[made], rows=[old])) == []
    assert kinds(unheard_of, Snapshot(receipts=[made], rows=[old, *rows])) == ["duplicate"]


def test_a_transaction_that_ignores_a_version_is_found_and_one_rejected_for_nothing() -> None:
    events, receipts, rows = transaction(version=7)
    assert kinds(from_events(events), Snapshot(receipts=receipts, rows=rows)) == ["stale write applied"]

    events, (made, _), _ = transaction()
    events[-1] = answer(TRANSACTION, 404, write_id=12)
    rejected = receipt(12, "transact", 404, {"code": "not_found"})
    old = Row(item_id=1, name=item_name(OLD, OLD), version=1)
    assert kinds(from_events(events), Snapshot(receipts=[made, rejected], rows=[old])) == ["false response"]


def test_a_bulk_that_was_committed_twice_is_doubled() -> None:
    events, made, rows = bulk()
    results = [
        {"status": 201, "item": shown(4, rows[0].name, 1)},
        {"status": 400},
        {"status": 201, "item": shown(5, rows[1].name, 1)},
    ]
    again = receipt(20, "create_many", 201, {"results": results})
    more = [replace(row, item_id=row.item_id + 2) for row in rows]

    assert kinds(from_events(events), Snapshot(receipts=[made, again], rows=rows + more)) == ["duplicate"]


def test_items_of_one_write_in_another_order_are_reordered() -> None:
    events, made, rows = bulk()
    first, refused, second = made.body["results"]
    first["item"]["id"], second["item"]["id"] = 3, 2
    swapped = [replace(rows[0], item_id=3), replace(rows[1], item_id=2)]

    assert refused["status"] == 400
    assert kinds(from_events(events), Snapshot(receipts=[made], rows=swapped)) == ["reordered"]


@pytest.mark.parametrize("seed", range(50))
def test_what_a_lane_sends_is_what_the_service_takes(seed: int) -> None:
    chance = Random(seed)
    body = bulk_body(chance, BULK)
    arguments = bulk_arguments(body)
    assert [item["name"] for item in arguments["data"]] == [
        item_name(label, BULK) for label in new_items(body, BULK).values()
    ]

    version = chance.choice([None, 1, 2])
    body = transaction_body(chance, TRANSACTION, item=OLD, item_id=1, version=version)
    assert transaction_arguments(body)["operations"]
    assert status_due(body["operations"], {1: 2}) in {200, 404, 412}
