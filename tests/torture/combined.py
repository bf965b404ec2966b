"""Writes of several changes: what a lane sends, and what a result must then show.

A part that creates an item labels it `<label of the write>+<position>`.
"""

from random import Random
from typing import Any

from tests.torture.history import Sent, item_name

BULK_ITEMS = (2, 6)
MISSING_ID = 10**15
"""Of no item."""


def bulk_body(chance: Random, label: str) -> dict[str, Any]:
    """Return some new items; without `atomic` sometimes with an invalid one among them."""
    names = [item_name(f"{label}+{position}", label) for position in range(chance.randint(*BULK_ITEMS))]
    is_atomic = chance.random() < 0.5
    if not is_atomic and chance.random() < 0.5:
        names[chance.randrange(1, len(names))] = ""
    return {"atomic": is_atomic, "items": [{"name": name} for name in names]}


def transaction_body(
    chance: Random, label: str, *, item: str, item_id: int, version: int | None
) -> dict[str, Any]:
    """Return a new item, a change of it and of a known one, maybe its deletion, maybe what must fail."""
    new = item_name(f"{label}+0", label)
    operations: list[dict[str, Any]] = [
        {"op": "create", "ref": "new", "data": {"name": new}},
        {"op": "update", "id": {"ref": "new"}, "version": 1, "data": {"name": new}},
        {"op": "update", "id": item_id, "data": {"name": item_name(item, label)}}
        | ({"version": version} if version is not None else {}),
    ]
    if chance.random() < 0.25:
        operations.append({"op": "delete", "id": item_id})
    if chance.random() < 0.15:
        operations.insert(chance.randint(1, len(operations)), {"op": "delete", "id": MISSING_ID})
    return {"operations": operations}


def new_items(body: dict[str, Any], label: str) -> dict[int, str]:
    """Return the labels of the items that a write creates, by the position of their results."""
    if "items" in body:
        return {
            position: f"{label}+{position}" for position, item in enumerate(body["items"]) if item["name"]
        }
    return {0: f"{label}+0"}


def whole_result(sent: Sent) -> list[tuple[Any, ...]]:
    """Return what the results of a committed write must say, in order, as `told` gives it."""
    if sent.operation == "bulk":
        return [(201, item["name"]) if item["name"] else (400, None) for item in sent.body["items"]]
    return [
        (204, operation["id"])
        if operation["op"] == "delete"
        else ({"create": 201, "update": 200}[operation["op"]], operation["data"]["name"])
        for operation in sent.body["operations"]
    ]


def told(result: dict[str, Any]) -> tuple[Any, ...]:
    """Return a result's status and the name that the item has now; of a deleted one the id."""
    if result["status"] == 204:
        return 204, result["id"]
    return result["status"], result.get("item", {}).get("name")


def status_due(operations: list[dict[str, Any]], versions: dict[Any, int]) -> int:
    """Return the status that a transaction must have, given the versions of the items there are, by id."""
    now = dict(versions)
    for operation in operations:
        if operation["op"] == "create":
            now[operation["ref"]] = 1
            continue
        target = operation["id"]["ref"] if isinstance(operation["id"], dict) else operation["id"]
        if target not in now:
            return 404
        if operation.get("version") not in {None, now[target]}:
            return 412
        if operation["op"] == "delete":
            del now[target]
        else:
            now[target] += 1
    return 200
