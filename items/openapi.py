"""The OpenAPI schemas of the calls that hold many changes, which no serializer describes."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from items.bodies import BULK_MAX_ITEMS
from items.models import NAME_MAX_CHARACTERS, Item
from items.operations import LARGEST_INTEGER, REF_PATTERN, TRANSACTION_MAX_OPERATIONS

Schema = dict[str, Any]

ITEM: Schema = {"$ref": "#/components/schemas/Item"}
NEW_ITEM: Schema = {"$ref": "#/components/schemas/ItemRequest"}
CHANGES: Schema = {"$ref": "#/components/schemas/PatchedItemRequest"}
_MOMENT = datetime(2026, 11, 23, 1, 8, 38, 583011, tzinfo=UTC)
EXAMPLE_ITEM = Item(id=7, name="first item", created_at=_MOMENT, updated_at=_MOMENT).representation()
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
_BULK_RESPONSE = _object(
    {"created": _COUNT, "rejected": _COUNT, "results": _list(_BULK_RESULT, BULK_MAX_ITEMS)},
    description="`results` holds a verdict for each item, in the order of the request.",
)
BULK_CREATE: dict[str, Any] = {
    "operation_id": "items_bulk_create",
    "summary": "Create many items with one write",
    "description": (
        f"Create 1 to {BULK_MAX_ITEMS:,} items with one write. With `atomic` (the default) all or none: an "
        "item that is not valid refuses the request, and `fields` names it by position, such as "
        "`items.3.name`. Without, each item has its own verdict. If-Match is refused."
    ),
    "request": {
        "application/json": _object(
            {"items": _list(NEW_ITEM, BULK_MAX_ITEMS)}, {"atomic": {"type": "boolean", "default": True}}
        )
    },
    "responses": {
        (201, "application/json"): OpenApiResponse(
            response=_BULK_RESPONSE, description="At least one item was created."
        ),
        (200, "application/json"): OpenApiResponse(
            response=_BULK_RESPONSE, description="No item was created; only without `atomic`."
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

_REF = {"type": "string", "pattern": f"^{REF_PATTERN}$", "description": "Unique in the request."}
_INTEGER = {"type": "integer", "minimum": 1, "maximum": LARGEST_INTEGER}
_TARGET = {
    "oneOf": [_INTEGER, _object({"ref": _REF})],
    "description": "An item, or what an earlier operation of this request creates.",
}
_VERSION = _INTEGER | {"description": "Apply only to this version of the item, as If-Match does; else 412."}


def _operation(op: str, required: Schema, optional: Schema | None = None) -> Schema:
    return _object({"op": {"type": "string", "const": op}} | required, optional)


_OPERATION = {
    "oneOf": [
        _operation("create", {"data": NEW_ITEM}, {"ref": _REF}),
        _operation("update", {"id": _TARGET, "data": CHANGES}, {"version": _VERSION}),
        _operation("delete", {"id": _TARGET}, {"version": _VERSION}),
    ],
}
_OPERATION_RESULT = {
    "oneOf": [
        _operation("create", {"status": _status(201), "item": ITEM}),
        _operation("update", {"status": _status(200), "item": ITEM}),
        _operation("delete", {"status": _status(204), "id": _INTEGER}),
    ],
}
TRANSACTION: dict[str, Any] = {
    "operation_id": "transactions_create",
    "summary": "Apply several changes with one write",
    "tags": ["transactions"],
    "description": (
        f"Apply 1 to {TRANSACTION_MAX_OPERATIONS} operations in order with one write: all or none. An "
        'operation may change what an earlier one creates: `"id": {"ref": "a"}` is the item of the create '
        'with `"ref": "a"`. An operation that cannot be applied is named (404, 409, 412), with `fields` '
        "such as `operations.2.id`. If-Match is refused."
    ),
    "request": {"application/json": _object({"operations": _list(_OPERATION, TRANSACTION_MAX_OPERATIONS)})},
    "responses": {
        (200, "application/json"): OpenApiResponse(
            response=_object({"results": _list(_OPERATION_RESULT, TRANSACTION_MAX_OPERATIONS)}),
            description="All operations are applied; `results` are in their order.",
        )
    },
    "examples": [
        OpenApiExample(
            "Create, change what was created, delete",
            value={
                "operations": [
                    {"op": "create", "ref": "a", "data": {"name": "draft"}},
                    {"op": "update", "id": {"ref": "a"}, "data": {"name": "first item"}},
                    {"op": "delete", "id": 3, "version": 5},
                ]
            },
            request_only=True,
        ),
        OpenApiExample(
            "Their results",
            value={
                "results": [
                    {"op": "create", "status": 201, "item": EXAMPLE_ITEM | {"name": "draft"}},
                    {"op": "update", "status": 200, "item": EXAMPLE_ITEM | {"version": 2}},
                    {"op": "delete", "status": 204, "id": 3},
                ]
            },
            response_only=True,
            status_codes=["200"],
        ),
    ],
}

ITEM_ID = OpenApiParameter(
    "id",
    {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    OpenApiParameter.PATH,
    description="The item's.",
)
_NAME = {"type": "string", "minLength": 1, "maxLength": NAME_MAX_CHARACTERS, "pattern": r"^[^\x00]*$"}
_TIME = {"type": "string", "format": "date-time"}
LIST_FILTERS = [
    OpenApiParameter("name", _NAME, description="Items of exactly this name."),
    OpenApiParameter(
        "name__startswith", _NAME, description="Items whose name begins so; ASCII letters in any case."
    ),
    OpenApiParameter("created_after", _TIME, description="Items created at this time or later."),
    OpenApiParameter("created_before", _TIME, description="Items created before this time."),
]
NAMED = [OpenApiExample("An item", value={"name": "first item"}, request_only=True)]
