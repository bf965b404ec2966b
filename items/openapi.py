"""The OpenAPI schemas of the calls that hold many changes, which no serializer describes."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from items.bodies import BULK_MAX_ITEMS

Schema = dict[str, Any]

ITEM: Schema = {"$ref": "#/components/schemas/Item"}
EXAMPLE_ITEM = {
    "id": 7,
    "name": "first item",
    "created_at": "2026-11-23T01:08:38.583011Z",
    "updated_at": "2026-11-23T01:08:38.583011Z",
    "version": 1,
}
FIELDS: Schema = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
    "description": "Messages by field.",
}


def _object(required: Schema, optional: Schema | None = None, **more: Any) -> Schema:
    """Return the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _list(items: Schema, at_most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": at_most}


def _status(code: int) -> Schema:
    return {"type": "integer", "const": code}


_ITEM_ERROR = _object(
    {"code": {"type": "string", "enum": ["invalid", "conflict"]}, "detail": {"type": "string"}},
    {"fields": FIELDS},
)
_BULK_RESULT = {
    "oneOf": [
        _object({"status": _status(201), "item": ITEM}),
        _object({"status": {"type": "integer", "enum": [400, 409]}, "error": _ITEM_ERROR}),
    ]
}
_COUNT = {"type": "integer", "minimum": 0, "maximum": BULK_MAX_ITEMS}
_BULK_ANSWER = _object(
    {"created": _COUNT, "rejected": _COUNT, "results": _list(_BULK_RESULT, BULK_MAX_ITEMS)},
    description="`results` holds a verdict for each item, in the order of the request.",
)
BULK_CREATE: dict[str, Any] = {
    "operation_id": "items_bulk_create",
    "description": (
        f"Create 1 to {BULK_MAX_ITEMS:,} items with one write. With `atomic` (the default) all or none: an "
        "item that is not valid refuses the request, and `fields` names it by position, such as "
        "`items.3.name`. Without, each item has its own verdict. If-Match is refused."
    ),
    "request": {
        "application/json": _object(
            {"items": _list(ITEM, BULK_MAX_ITEMS)}, {"atomic": {"type": "boolean", "default": True}}
        )
    },
    "responses": {
        (201, "application/json"): OpenApiResponse(
            response=_BULK_ANSWER, description="At least one item was created."
        ),
        (200, "application/json"): OpenApiResponse(
            response=_BULK_ANSWER, description="No item was created; only without `atomic`."
        ),
    },
    "examples": [
        OpenApiExample(
            "Two items", value={"items": [{"name": "first item"}, {"name": "second item"}]}, request_only=True
        ),
        OpenApiExample(
            "One of two is not valid",
            value={
                "created": 1,
                "rejected": 1,
                "results": [
                    {"status": 201, "item": EXAMPLE_ITEM},
                    {
                        "status": 400,
                        "error": {
                            "code": "invalid",
                            "detail": "The item is not valid.",
                            "fields": {"name": ["This field may not be blank."]},
                        },
                    },
                ],
            },
            response_only=True,
            status_codes=["201"],
        ),
    ],
}
