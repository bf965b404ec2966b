"""How items change. These functions run in the writer, inside its transaction; see workers/registry.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from items.models import Item
from items.permissions import of_transaction
from workers import BulkInsert, Result, Write, WriteRejected, conflict_of, write_function
from workers.transfer import imported, restored

_insert_rows = BulkInsert(Item)

PLACE_OF_ERROR = {"not_found": ".id", "precondition_failed": ".version"}
"""In an operation that is rejected, by code."""


@write_function("items.create", model=Item, permission="items.add_item")
def create_item(write: Write) -> Result:
    """Create an item from `data`."""
    return create_items([write])[0]


@create_item.bulk
def create_items(writes: Sequence[Write]) -> list[Result]:
    """Create one item for each write, in one statement."""
    items = _insert([write.arguments["data"] for write in writes])
    return [Result(http_status=201, body=item, etag=entity_tag(item)) for item in items]


@write_function("items.create_many", permission="items.add_item")
def create_many(write: Write) -> Result:
    """Create an item from each of `data`, and give the verdicts on all items of the request in its order.

    `refused` holds, by position, what is wrong with items that are not in `data`. With `atomic` one item that
    the store refuses is an IntegrityError of the whole write, without it is a verdict on that item.
    """
    insert = _insert_all if write.arguments["atomic"] else _insert_as_many_as_possible
    results = insert(write.arguments["data"])
    for position, errors in write.arguments["refused"]:  # ascending, so that each finds its final place
        results.insert(position, _refusal(400, "invalid", "The item is not valid.", errors))
    created = sum(result["status"] == 201 for result in results)
    body = {"created": created, "rejected": len(results) - created, "results": results}
    return Result(http_status=201 if created else 200, body=body)


@write_function("items.import", permission="items.add_item")
def import_items(write: Write) -> Result:
    """Create items from a slice of a file: see workers/transfer/applying.py."""
    return imported(write, restored(Item) if write.arguments["verbatim"] else _insert)


@write_function("items.update", model=Item, permission="items.change_item")
def update_item(write: Write) -> Result:
    """Change the fields in `data` of the item `id`."""
    item = _change(_find(write.arguments["id"]), write.arguments["data"])
    return Result(body=item, etag=entity_tag(item))


@write_function("items.delete", model=Item, permission="items.delete_item")
def delete_item(write: Write) -> Result:
    """Delete the item `id`."""
    item = _find(write.arguments["id"])
    key = item.pk
    item.delete()
    return Result(http_status=204, key=key)


@write_function("items.transact", permission=lambda write: of_transaction(write.arguments))
def transact(write: Write) -> Result:
    """Apply `operations` in order. The first that cannot be applied rejects the write and is named."""
    ids: dict[str, int] = {}
    results = []
    for number, operation in enumerate(write.arguments["operations"]):
        try:
            results.append(_operate(operation, ids))
        except WriteRejected as exc:
            raise _rejected_at(number, exc) from exc
        except IntegrityError as exc:
            raise _rejected_at(number, conflict_of(exc)) from exc
    return Result(body={"results": results})


def _insert(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Insert one item for each validated data, and return each as `Item.representation` does."""
    now = timezone.now()
    return _insert_rows(data, created_at=now, updated_at=now)


def _insert_all(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a verdict for each item: it is created. Raises IntegrityError when the store refuses one."""
    return [{"status": 201, "item": item} for item in _insert(data)]


def _insert_as_many_as_possible(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a verdict for each item: it is created, or the store refuses it."""
    try:
        with transaction.atomic():
            return _insert_all(data)
    except IntegrityError as exc:
        if len(data) == 1:
            conflict = conflict_of(exc)
            return [_refusal(conflict.http_status, conflict.code, conflict.detail, conflict.fields)]
        return [verdict for one in data for verdict in _insert_as_many_as_possible([one])]


def _refusal(status: int, code: str, detail: str, errors: Any = None) -> dict[str, Any]:
    error = {"code": code, "detail": detail}
    return {"status": status, "error": error | {"fields": errors} if errors else error}


def entity_tag(item: Mapping[str, Any]) -> str:
    """Return the entity tag, without quotes, of an item as the API shows it.

    It holds the id: tags must differ between items too.
    """
    return f"{item['id']}-{item['version']}"


def _find(item_id: Any) -> Item:
    """Return the item. Raises WriteRejected (404)."""
    item = Item.objects.filter(pk=item_id).first()
    if item is None:
        raise WriteRejected(404, "not_found", f"There is no item {item_id}.")
    return item


def _stale(item: Item) -> WriteRejected:
    detail = f"Item {item.pk} has changed: it is now at version {item.version}. Read it again."
    return WriteRejected(412, "precondition_failed", detail)


def _change(item: Item, data: Mapping[str, Any]) -> dict[str, Any]:
    """Change the fields in `data`, and return the item as the API shows it.

    What changes nothing makes no new version: whoever read the item still has its entity tag.
    """
    if all(getattr(item, field) == value for field, value in data.items()):
        return item.representation()
    for field, value in data.items():
        setattr(item, field, value)
    item.save(force_update=True)
    return item.representation()


def _operate(operation: Mapping[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    """Apply one operation of a transaction and return its result. `ids` holds the ids behind refs so far.

    Raises WriteRejected.
    """
    op = operation["op"]
    if op == "create":
        [created] = _insert([operation["data"]])
        if "ref" in operation:
            ids[operation["ref"]] = created["id"]
        return {"op": op, "status": 201, "item": created}
    target, version = operation["id"], operation["version"]
    item = _find(ids[target["ref"]] if isinstance(target, dict) else target)
    if version is not None and version != item.version:
        raise _stale(item)
    if op == "update":
        return {"op": op, "status": 200, "item": _change(item, operation["data"])}
    item_id = item.pk
    item.delete()
    return {"op": op, "status": 204, "id": item_id}


def _rejected_at(number: int, rejection: WriteRejected) -> WriteRejected:
    """Return the rejection of a whole transaction because of its operation `number`."""
    operation = f"operations.{number}"
    fields = {f"{operation}.data.{name}": messages for name, messages in (rejection.fields or {}).items()}
    return WriteRejected(
        rejection.http_status,
        rejection.code,
        f"Operation {number}: {rejection.detail}",
        fields=fields or {operation + PLACE_OF_ERROR.get(rejection.code, ""): [rejection.detail]},
    )
