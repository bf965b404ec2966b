"""The body of a bulk request, turned into the arguments of one write; and what bodies of many changes share.

What is wrong is named by its place in the body, such as `items.3.name`.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from items.serializers import ItemSerializer
from workers.rest import NON_FIELD, at, check_many

BULK_MAX_ITEMS = 1_000
REQUIRED = "This field is required."


def bulk_arguments(body: Any) -> dict[str, Any]:
    """Return the arguments of `items.create_many`. Raises ValidationError.

    With `atomic` that is so for each invalid item. Without, the verdict on it travels with the write, so that
    the receipt holds the whole response.
    """
    items = list_of(body, "items", {"atomic", "items"}, at_most=BULK_MAX_ITEMS)
    is_atomic = body.get("atomic", True)
    if not isinstance(is_atomic, bool):
        raise ValidationError({"atomic": ["Must be true or false."]})
    data, refused = check_many(ItemSerializer, items)
    if refused and is_atomic:
        raise ValidationError(
            {
                place: messages
                for position, errors in refused.items()
                for place, messages in at(f"items.{position}", errors).items()
            }
        )
    return {"atomic": is_atomic, "data": data, "refused": list(refused.items())}


def list_of(body: Any, name: str, known: set[str], *, at_most: int) -> list[Any]:
    """Return the list in the body, of 1 to `at_most` elements. Raises ValidationError."""
    if not isinstance(body, dict):
        raise ValidationError({NON_FIELD: ["Expected an object."]})
    if unknown := unknown_key(body, known):
        raise ValidationError({NON_FIELD: [unknown]})
    if name not in body:
        raise ValidationError({name: [REQUIRED]})
    value = body[name]
    if not isinstance(value, list):
        raise ValidationError({name: ["Expected a list."]})
    if not 1 <= len(value) <= at_most:
        raise ValidationError({name: [f"Send 1 to {at_most:,} {name}, not {len(value):,}."]})
    return value


def unknown_key(body: Mapping[str, Any], known: set[str]) -> str:
    """Return a message about the first key that is not known, or nothing."""
    unknown = next((key for key in body if key not in known), None)
    if unknown is None:
        return ""
    # Cut short, and not itself the name of a field: a key may be as long as the body.
    return f"{unknown[:50]!r} is not known here; known are {', '.join(sorted(known))}."
