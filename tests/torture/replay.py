"""Replay the receipts in their order into a model of the items, which the rows must then equal."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.torture.facts import COMMITTED, Facts, Violation
from tests.torture.history import parse_name
from tests.torture.snapshot import Receipt, Row


@dataclass(kw_only=True)
class Model:
    """The items as the receipts tell them."""

    items: dict[int, Row] = field(default_factory=dict)
    created: list[Receipt] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    """Ids of items whose deletion a client knows of."""
    unnamed_deletions: int = 0
    """Committed deletions whose answer nobody got: which item it was, no receipt tells."""


def effects_match_receipts(facts: Facts) -> Iterator[Violation]:
    """Replaying the receipts gives the rows: nothing more, nothing less, no version left out."""
    model = Model()
    for receipt in facts.snapshot.receipts:
        yield from _judge(facts, model, receipt)
        if receipt.outcome == COMMITTED:
            yield from _replay(facts, model, receipt)
    for one, next_one in pairwise(model.created):
        if next_one.body["id"] <= one.body["id"]:
            evidence = f"write {one.write_id} made row {one.body['id']}, the next one {next_one.body['id']}"
            yield Violation(kind="reordered", evidence=evidence)
    yield from _compare(facts, model)


def _judge(facts: Facts, model: Model, receipt: Receipt) -> Iterator[Violation]:
    """Compare the verdict with the state that the write met: 404 and 412 where they belong, nowhere else."""
    sent = facts.owner.get(receipt.write_id)
    if sent is None or sent.operation == "create":
        return
    row = model.items.get(sent.item_id)
    is_there = row is not None and sent.item_id not in model.deleted
    met = f"{sent} as {receipt.write_id} got {receipt.status}, having met {row if is_there else 'no item'}"
    matches = row is not None and sent.if_match in {"", f'"{row.item_id}-{row.version}"'}
    if receipt.outcome == COMMITTED and is_there and not matches:
        yield Violation(kind="stale write applied", evidence=f"{met} with If-Match {sent.if_match}")
    elif receipt.status == 404 and is_there and sent.item_id not in facts.maybe_deleted:
        yield Violation(kind="false answer", evidence=met)
    elif receipt.status == 412 and is_there and matches:
        yield Violation(kind="false answer", evidence=f"{met} with If-Match {sent.if_match}")


def _replay(facts: Facts, model: Model, receipt: Receipt) -> Iterator[Violation]:
    """Apply one receipt to the model."""
    match receipt.function:
        case "items.create":
            row = _row(receipt)
            if row.item_id in model.items or row.version != 1:
                yield Violation(kind="version gap", evidence=f"write {receipt.write_id} created {row}")
            model.items[row.item_id] = row
            model.created.append(receipt)
        case "items.update":
            row, before = _row(receipt), model.items.get(receipt.body["id"])
            if before is None or row.item_id in model.deleted:
                evidence = f"write {receipt.write_id} updated {row}, of which there is no creation"
                yield Violation(kind="without receipt", evidence=evidence)
            elif row.version != before.version + 1:
                evidence = f"write {receipt.write_id} made {row} of version {before.version}"
                yield Violation(kind="version gap", evidence=evidence)
            model.items[row.item_id] = row
        case "items.delete":
            sent = facts.owner.get(receipt.write_id)
            if sent is None:
                model.unnamed_deletions += 1
            elif sent.item_id in model.deleted or sent.item_id not in model.items:
                evidence = f"{sent} deleted item {sent.item_id} as {receipt.write_id}, a second time"
                yield Violation(kind="doubled", evidence=evidence)
            else:
                model.deleted.add(sent.item_id)


def _compare(facts: Facts, model: Model) -> Iterator[Violation]:
    """Compare the rows with the model."""
    rows = {row.item_id: row for row in facts.snapshot.rows if parse_name(row.name)[0]}
    for item_id, row in rows.items():
        expected = model.items.get(item_id)
        if expected is None:
            yield Violation(kind="doubled", evidence=f"{row} is there, and no receipt created it")
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


def _row(receipt: Receipt) -> Row:
    body = receipt.body
    return Row(item_id=body["id"], name=body["name"], version=body["version"])
