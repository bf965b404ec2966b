"""Replay the receipts in their order into a model of the items, which the rows must then equal."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.torture.combined import status_due, told, whole_result
from tests.torture.facts import FUNCTIONS, Facts, Violation
from tests.torture.history import Sent, parse_name
from tests.torture.snapshot import COMMITTED, Receipt, Row


@dataclass(kw_only=True)
class Model:
    """The items as the receipts tell them."""

    items: dict[int, Row] = field(default_factory=dict)
    created: list[tuple[int, int]] = field(default_factory=list)
    """The write and the id of each item, in the order of the receipts and of their results."""
    deleted: set[int] = field(default_factory=set)
    """Ids of items whose deletion a client or a receipt knows of."""
    unnamed_deletions: int = 0
    """Committed deletions whose answer nobody got: which item it was, no receipt tells."""


def effects_match_receipts(facts: Facts) -> Iterator[Violation]:
    """Replaying the receipts gives the rows: nothing more, nothing less, no version left out."""
    model = Model()
    for receipt in facts.snapshot.receipts:
        yield from _judge(facts, model, receipt)
        if receipt.status == COMMITTED:
            yield from _replay(facts, model, receipt)
    for (one, first_id), (next_one, next_id) in pairwise(model.created):
        if next_id <= first_id:
            evidence = f"write {one} made row {first_id}, and then {next_one} row {next_id}"
            yield Violation(kind="reordered", evidence=evidence)
    yield from _compare(facts, model)


def _judge(facts: Facts, model: Model, receipt: Receipt) -> Iterator[Violation]:
    """Compare the verdict with what was sent and with the state that the write met."""
    sent = facts.owner.get(receipt.write_id)
    if sent is None or receipt.function != FUNCTIONS[sent.operation]:
        return
    if sent.operation in {"bulk", "transact"}:
        yield from _judge_combined(facts, model, receipt, sent)
    elif sent.operation != "create":
        yield from _judge_change(facts, model, receipt, sent)


def _judge_combined(facts: Facts, model: Model, receipt: Receipt, sent: Sent) -> Iterator[Violation]:
    """All or none: a committed one shows every part as it was sent, a rejected one had a reason to be."""
    is_committed = receipt.status == COMMITTED
    if is_committed:
        got, whole = [told(result) for result in receipt.body["results"]], whole_result(sent)
        if got != whole:
            yield Violation(kind="applied in part", evidence=f"{sent} sent {whole}, its receipt says {got}")
    due = 201 if sent.operation == "bulk" else _status_due(facts, model, sent)
    if due and receipt.http_status != due and receipt.status != "failed":
        kind = "stale write applied" if is_committed else "false response"
        yield Violation(
            kind=kind, evidence=f"{sent} as {receipt.write_id} got {receipt.http_status}, not {due}"
        )


def _status_due(facts: Facts, model: Model, sent: Sent) -> int:
    """Return the status that a transaction must have, or 0 when nobody can tell."""
    operations = sent.body["operations"]
    named = {target for one in operations if isinstance(target := one.get("id"), int)}
    if named & facts.maybe_deleted:
        return 0
    there = model.items.keys() - model.deleted
    return status_due(operations, {item_id: model.items[item_id].version for item_id in there})


def _judge_change(facts: Facts, model: Model, receipt: Receipt, sent: Sent) -> Iterator[Violation]:
    """404 and 412 where they belong, nowhere else."""
    row = model.items.get(sent.item_id)
    is_there = row is not None and sent.item_id not in model.deleted
    met = (
        f"{sent} as {receipt.write_id} got {receipt.http_status}, having met {row if is_there else 'no item'}"
    )
    matches = row is not None and sent.if_match in {"", f'"{row.item_id}-{row.version}"'}
    if receipt.status == COMMITTED and is_there and not matches:
        yield Violation(kind="stale write applied", evidence=f"{met} with If-Match {sent.if_match}")
    elif receipt.http_status == 404 and is_there and sent.item_id not in facts.maybe_deleted:
        yield Violation(kind="false response", evidence=met)
    elif receipt.http_status == 412 and is_there and matches:
        yield Violation(kind="false response", evidence=f"{met} with If-Match {sent.if_match}")


def _replay(facts: Facts, model: Model, receipt: Receipt) -> Iterator[Violation]:
    """Apply one receipt to the model."""
    match receipt.function:
        case "items.create" | "items.create_many":
            for item in receipt.shown:
                yield from _create(model, receipt, item)
        case "items.update":
            yield from _update(model, receipt, receipt.body)
        case "items.delete":
            sent = facts.owner.get(receipt.write_id)
            if sent is None:
                model.unnamed_deletions += 1
            else:
                yield from _delete(model, receipt, sent.item_id)
        case "items.transact":
            for result in receipt.body["results"]:
                match result["op"]:
                    case "create":
                        yield from _create(model, receipt, result["item"])
                    case "update":
                        yield from _update(model, receipt, result["item"])
                    case _:
                        yield from _delete(model, receipt, result["id"])


def _create(model: Model, receipt: Receipt, item: dict[str, Any]) -> Iterator[Violation]:
    row = _row(item)
    if row.item_id in model.items or row.version != 1:
        yield Violation(kind="version gap", evidence=f"write {receipt.write_id} created {row}")
    model.items[row.item_id] = row
    model.created.append((receipt.write_id, row.item_id))


def _update(model: Model, receipt: Receipt, item: dict[str, Any]) -> Iterator[Violation]:
    row, before = _row(item), model.items.get(item["id"])
    if before is None or row.item_id in model.deleted:
        evidence = f"write {receipt.write_id} updated {row}, of which there is no creation"
        yield Violation(kind="without receipt", evidence=evidence)
    elif row.version != before.version + (row.name != before.name):  # no change, no new version
        evidence = f"write {receipt.write_id} made {row} of version {before.version}"
        yield Violation(kind="version gap", evidence=evidence)
    model.items[row.item_id] = row


def _delete(model: Model, receipt: Receipt, item_id: int) -> Iterator[Violation]:
    if item_id in model.deleted or item_id not in model.items:
        evidence = f"write {receipt.write_id} deleted item {item_id}, a second time"
        yield Violation(kind="duplicate", evidence=evidence)
    else:
        model.deleted.add(item_id)


def _compare(facts: Facts, model: Model) -> Iterator[Violation]:
    """Compare the rows with the model."""
    rows = {row.item_id: row for row in facts.snapshot.rows if parse_name(row.name)[0]}
    for item_id, row in rows.items():
        expected = model.items.get(item_id)
        if expected is None:
            yield Violation(kind="duplicate", evidence=f"{row} is there, and no receipt created it")
        elif item_id in model.deleted:
            yield Violation(kind="lost", evidence=f"{row} is there, and its deletion has a receipt")
        elif row != expected:
            kind = "version gap" if row.version != expected.version else "without receipt"
            yield Violation(kind=kind, evidence=f"{row} is there, and the receipts end at {expected}")
    gone = model.items.keys() - model.deleted - rows.keys()
    for item_id in sorted(gone - facts.maybe_deleted):
        yield Violation(kind="lost", evidence=f"{model.items[item_id]} has a receipt, and no row")
    if len(gone) != model.unnamed_deletions:
        evidence = f"{len(gone)} rows are gone by {model.unnamed_deletions} deletions nobody heard of"
        yield Violation(kind="without receipt", evidence=evidence)


def _row(item: dict[str, Any]) -> Row:
    return Row(item_id=item["id"], name=item["name"], version=item["version"])
