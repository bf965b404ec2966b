"""How items change. These functions run in the writer, inside its transaction; see workers/registry.py."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from items import rows
from items.models import Item
from workers import Result, Write, WriteRejected, write_function


@write_function("items.create")
def create_item(write: Write) -> Result:
    """Create an item from `data`."""
    return create_items([write])[0]


@create_item.bulk
def create_items(writes: Sequence[Write]) -> list[Result]:
    """Create one item for each write, in one statement."""
    items = rows.insert([write.arguments["data"] for write in writes])
    return [Result(status=201, body=item) for item in items]


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
