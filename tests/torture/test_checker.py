"""The checker can fail: each kind of broken promise, made up, is found."""

from dataclasses import replace
from typing import Any

import pytest

from tests.torture import checker
from tests.torture.history import History, from_events, item_name
from tests.torture.snapshot import Receipt, Row, Snapshot
from workers.submission import idempotency

CREATE, UPDATE, DELETE = "0.0.000001", "0.0.000002", "0.0.000003"


def send(label: str, operation: str, item: str, *, item_id: int = 0, key: str = "") -> dict[str, Any]:
    about = {"operation": operation, "item": item, "item_id": item_id, "key": key}
    return {"event": "send", "label": label, "at": 1.0, **about}


def answer(label: str, status: int, *, write_id: int = 0, code: str = "", body: Any = None) -> dict[str, Any]:
    return {
        "event": "answer",
        "label": label,
        "status": status,
        "write_id": write_id,
        "code": code,
        "body": body,
    }


def cut(label: str) -> dict[str, Any]:
    return {"event": "lost", "label": label, "reached": True, "why": "connection cut"}


def shown(item_id: int, name: str, version: int) -> dict[str, Any]:
    return {"id": item_id, "name": name, "version": version}


def receipt(write_id: int, operation: str, status: int, body: Any, *, token: str = "") -> Receipt:
    return Receipt(
        write_id=write_id,
        token=token or f"{write_id:032x}",
        function=f"items.{operation}",
        status="committed" if status < 300 else "rejected",
        http_status=status,
        body=body,
        committed_at=float(write_id),
    )


def created(label: str, item_id: int, write_id: int) -> tuple[list[dict[str, Any]], Receipt, Row]:
    """Return the events, the receipt and the row of a create that went well."""
    name = item_name(label, label)
    body = shown(item_id, name, 1)
    events = [send(label, "create", label), answer(label, 201, write_id=write_id, body=body)]
    return events, receipt(write_id, "create", 201, body), Row(item_id=item_id, name=name, version=1)


def kinds(history: History, snapshot: Snapshot) -> list[str]:
    return sorted({violation.kind for violation in checker.check(history, snapshot)})


def a_good_run() -> tuple[list[dict[str, Any]], Snapshot]:
    """Return a create, an update and the deletion of another item."""
    other = "0.1.000001"
    events, first, _ = created(CREATE, 1, 10)
    more, second, _ = created(other, 2, 11)
    body = shown(1, item_name(CREATE, UPDATE), 2)
    events += [
        *more,
        send(UPDATE, "update", CREATE, item_id=1),
        answer(UPDATE, 200, write_id=12, body=body),
        send("0.1.000002", "delete", other, item_id=2),
        answer("0.1.000002", 204, write_id=13),
    ]
    receipts = [first, second, receipt(12, "update", 200, body), receipt(13, "delete", 204, None)]
    rows = [Row(item_id=1, name=item_name(CREATE, UPDATE), version=2)]
    return events, Snapshot(receipts=receipts, rows=rows)


def test_a_run_in_which_all_went_well_has_no_violations() -> None:
    events, snapshot = a_good_run()

    assert checker.check(from_events(events), snapshot) == []


def test_an_acknowledged_write_without_a_receipt_and_a_row_is_lost() -> None:
    events, _, _ = created(CREATE, 1, 10)

    assert kinds(from_events(events), Snapshot(receipts=[], rows=[])) == ["lost"]


def test_an_acknowledged_write_with_a_receipt_and_no_row_is_lost() -> None:
    events, made, _ = created(CREATE, 1, 10)

    assert kinds(from_events(events), Snapshot(receipts=[made], rows=[])) == ["lost", "without receipt"]


def test_an_accepted_write_without_a_receipt_is_lost() -> None:
    events = [send(CREATE, "create", CREATE), answer(CREATE, 202, write_id=10)]

    assert kinds(from_events(events), Snapshot(receipts=[], rows=[])) == ["lost"]


def test_an_accepted_write_whose_status_was_404_is_lost() -> None:
    _, made, row = created(CREATE, 1, 10)
    events = [
        send(CREATE, "create", CREATE),
        answer(CREATE, 202, write_id=10),
        {"event": "status", "label": CREATE, "write_id": 10, "status": "missing"},
    ]

    assert kinds(from_events(events), Snapshot(receipts=[made], rows=[row])) == ["lost"]


def test_two_rows_of_one_create_are_doubled() -> None:
    events, made, row = created(CREATE, 1, 10)

    snapshot = Snapshot(receipts=[made], rows=[row, replace(row, item_id=2)])

    assert kinds(from_events(events), snapshot) == ["duplicate"]


def test_two_receipts_of_one_write_of_unknown_outcome_are_doubled() -> None:
    _, made, row = created(CREATE, 1, 10)
    again = replace(made, write_id=11, token="again", committed_at=11.0, body=made.body | {"id": 2})
    events = [send(CREATE, "create", CREATE), cut(CREATE)]

    snapshot = Snapshot(receipts=[made, again], rows=[row, replace(row, item_id=2)])

    assert kinds(from_events(events), snapshot) == ["duplicate"]


def test_one_token_with_two_receipts_is_doubled() -> None:
    events, snapshot = a_good_run()
    receipts = [*snapshot.receipts[:-1], replace(snapshot.receipts[-1], token=snapshot.receipts[0].token)]

    assert kinds(from_events(events), replace(snapshot, receipts=receipts)) == ["duplicate"]


def test_writes_of_one_connection_with_ids_that_descend_are_reordered() -> None:
    first_events, first, first_row = created(CREATE, 2, 20)
    second_events, second, second_row = created(UPDATE, 1, 10)

    snapshot = Snapshot(receipts=[second, first], rows=[second_row, first_row])

    assert kinds(from_events(first_events + second_events), snapshot) == ["reordered"]


def test_rows_made_in_another_order_than_accepted_are_reordered() -> None:
    first_events, first, first_row = created(CREATE, 2, 10)
    second_events, second, second_row = created("0.1.000001", 1, 20)

    snapshot = Snapshot(receipts=[first, second], rows=[second_row, first_row])

    assert kinds(from_events(first_events + second_events), snapshot) == ["reordered"]


def test_a_commit_that_precedes_an_earlier_writes_commit_is_reordered() -> None:
    events, snapshot = a_good_run()
    receipts = [*snapshot.receipts[:-1], replace(snapshot.receipts[-1], committed_at=1.0)]

    assert kinds(from_events(events), replace(snapshot, receipts=receipts)) == ["reordered"]


def test_a_version_above_the_number_of_updates_is_a_gap() -> None:
    events, snapshot = a_good_run()
    rows = [replace(snapshot.rows[0], version=3)]

    assert kinds(from_events(events), replace(snapshot, rows=rows)) == ["version gap"]


def test_an_update_whose_receipt_skips_a_version_is_a_gap() -> None:
    events, made, _ = created(CREATE, 1, 10)
    body = shown(1, item_name(CREATE, UPDATE), 3)
    events += [
        send(UPDATE, "update", CREATE, item_id=1),
        answer(UPDATE, 200, write_id=11, body=body),
    ]

    snapshot = Snapshot(
        receipts=[made, receipt(11, "update", 200, body)],
        rows=[Row(item_id=1, name=body["name"], version=3)],
    )

    assert kinds(from_events(events), snapshot) == ["version gap"]


@pytest.mark.parametrize("version", [1, 2])
def test_an_update_that_changes_nothing_makes_no_version(version: int) -> None:
    events, made, row = created(CREATE, 1, 10)
    body = shown(1, row.name, version)
    events += [
        send(UPDATE, "update", CREATE, item_id=1),
        answer(UPDATE, 200, write_id=11, body=body),
    ]
    rows = [Row(item_id=1, name=row.name, version=version)]
    snapshot = Snapshot(receipts=[made, receipt(11, "update", 200, body)], rows=rows)

    assert ("version gap" in kinds(from_events(events), snapshot)) is (version == 2)


def test_a_write_that_was_refused_and_applied_is_found() -> None:
    _, made, row = created(CREATE, 1, 10)
    events = [send(CREATE, "create", CREATE), answer(CREATE, 503, code="queue_unavailable")]

    assert kinds(from_events(events), Snapshot(receipts=[made], rows=[row])) == ["applied though refused"]


def test_a_refused_write_with_a_key_is_found_by_its_token() -> None:
    events, made, row = created(CREATE, 1, 10)
    token = idempotency.from_key("key", principal="", request=None).token
    events += [
        send(DELETE, "delete", CREATE, item_id=1, key="key"),
        answer(DELETE, 503, code="stream_full"),
    ]
    deletion = receipt(11, "delete", 204, None, token=token)

    assert kinds(from_events(events), Snapshot(receipts=[made, deletion], rows=[])) == [
        "applied though refused"
    ]
    assert row.item_id == 1


def test_an_unknown_deletion_may_have_happened_or_not() -> None:
    events, made, row = created(CREATE, 1, 10)
    events += [send(DELETE, "delete", CREATE, item_id=1), cut(DELETE)]
    deletion = receipt(11, "delete", 204, None)

    assert kinds(from_events(events), Snapshot(receipts=[made], rows=[row])) == []
    assert kinds(from_events(events), Snapshot(receipts=[made, deletion], rows=[])) == []
    assert kinds(from_events(events), Snapshot(receipts=[made], rows=[])) == ["without receipt"]


def test_a_response_that_differs_from_its_receipt_is_false() -> None:
    events, made, row = created(CREATE, 1, 10)
    told = replace(made, body=made.body | {"name": item_name(CREATE, "0.0.000009")})

    snapshot = Snapshot(receipts=[told], rows=[replace(row, name=told.body["name"])])

    assert kinds(from_events(events), snapshot) == ["false response"]


def test_an_id_that_two_writes_were_told_is_found() -> None:
    events, made, row = created(CREATE, 1, 10)
    events += [send(UPDATE, "create", UPDATE), answer(UPDATE, 202, write_id=10)]

    assert "false response" in kinds(from_events(events), Snapshot(receipts=[made], rows=[row]))


def test_an_update_that_ignores_its_if_match_is_found() -> None:
    events, snapshot = a_good_run()
    events[4]["if_match"] = '"1-7"'

    assert kinds(from_events(events), snapshot) == ["stale write applied"]


def test_an_update_that_is_told_404_or_412_without_a_reason_is_found() -> None:
    for status in (404, 412):
        events, made, row = created(CREATE, 1, 10)
        events += [send(UPDATE, "update", CREATE, item_id=1), answer(UPDATE, status, write_id=11)]

        snapshot = Snapshot(receipts=[made, receipt(11, "update", status, None)], rows=[row])

        assert kinds(from_events(events), snapshot) == ["false response"]


def test_an_error_that_nothing_explains_is_found() -> None:
    events = [send(CREATE, "create", CREATE), answer(CREATE, 500, code="internal_error")]

    assert kinds(from_events(events), Snapshot(receipts=[], rows=[])) == ["unexpected answer"]


def test_a_corrupt_store_is_found() -> None:
    assert kinds(History(writes=[]), Snapshot(receipts=[], rows=[], faults=["row 1 missing"])) == ["corrupt"]
