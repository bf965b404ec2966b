"""How items change. These functions run in the writer, inside its transaction; see workers/registry.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from items import rows
from items.models import Item
from workers import Result, Write, WriteRejected, write_function

CONFLICT = "The change conflicts with what is stored."


@write_function("items.create")
def create_item(write: Write) -> Result:
    """Create an item from `data`."""
    return create_items([write])[0]


@create_item.bulk
def create_items(writes: Sequence[Write]) -> list[Result]:
    """Create one item for each write, in one statement."""
    items = rows.insert([write.arguments["data"] for write in writes])
    return [Result(status=201, body=item) for item in items]


@write_function("items.create_many")
def create_many(write: Write) -> Result:
    """Create an item from each of `data`, and give the verdicts on all items of the request in its order.

    `refused` holds, by position, what is wrong with items that are not in `data`. With `atomic` one item that
    the store refuses is an IntegrityError of the whole write, without it is a verdict on that item.
    """
    insert = _insert_all if write.arguments["atomic"] else _insert_as_many_as_possible
    results = insert(write.arguments["data"])
    for position, faults in write.arguments["refused"]:  # ascending, so that each finds its final place
        results.insert(position, _refusal(400, "invalid", "The item is not valid.", faults))
    created = sum(result["status"] == 201 for result in results)
    body = {"created": created, "rejected": len(results) - created, "results": results}
    return Result(status=201 if created else 200, body=body)


@write_function("items.update")
def update_item(write: Write) -> Result:
    """Change the fields in `data` of the item `id`, if `if_match` allows."""
    item = _find(write.arguments)
    for field, value in write.arguments["data"].items():
        setattr(item, field, value)
    item.version += 1
    item.updated_at = max(timezone.now(), item.updated_at)
    item.save(force_update=True)
    return Result(body=item.representation())


@write_function("items.delete")
def delete_item(write: Write) -> Result:
    """Delete the item `id`, if `if_match` allows."""
    _find(write.arguments).delete()
    return Result(status=204)


def _insert_all(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a verdict for each item: it is created. Raises IntegrityError when the store refuses one."""
    return [{"status": 201, "item": item} for item in rows.insert(data)]


def _insert_as_many_as_possible(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a verdict for each item: it is created, or the store refuses it."""
    try:
        with transaction.atomic():
            return _insert_all(data)
    except IntegrityError:
        if len(data) == 1:
            return [_refusal(409, "conflict", CONFLICT)]
        return [verdict for one in data for verdict in _insert_as_many_as_possible([one])]


def _refusal(status: int, code: str, detail: str, faults: Any = None) -> dict[str, Any]:
    error = {"code": code, "detail": detail}
    return {"status": status, "error": error | {"fields": faults} if faults else error}


def entity_tag(item_id: int, version: int) -> str:
    """Return the item's entity tag, without quotes. It holds the id: tags must differ between items too."""
    return f"{item_id}-{version}"


def _find(arguments: Any) -> Item:
    """Return the item, or reject the write: 404 when there is none, 412 when it has changed."""
    item = Item.objects.filter(pk=arguments["id"]).first()
    if item is None:
        raise WriteRejected(404, "not_found", f"There is no item {arguments['id']}.")
    tags = arguments["if_match"]
    if tags is not None and tags != ["*"] and entity_tag(item.pk, item.version) not in tags:
        raise WriteRejected(
            412,
            "precondition_failed",
            f"Item {item.pk} has changed: it is now at version {item.version}. Read it again.",
        )
    return item
