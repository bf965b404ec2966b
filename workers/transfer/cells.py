"""The cells of CSV: what an export writes for a value, and what an import reads from it again."""

from collections.abc import Callable, Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.fields import BooleanField, CharField, DictField, Field, JSONField, ListField
from rest_framework.relations import ManyRelatedField
from rest_framework.serializers import BaseSerializer

from workers.encoding.exact_json import from_json, to_json
from workers.rest.parsers import refuse_deep

Read = Callable[[str], Any]
"""Makes of a cell what a client would send in JSON, or `ABSENT`. Raises ValueError."""
Write = Callable[[Any], str]
"""Makes a cell of what JSON has for a value."""

ABSENT = object()
"""Stands for a field that a row does not give."""

_NESTED = (BaseSerializer, DictField, JSONField, ListField, ManyRelatedField)
"""Fields whose cells hold JSON: also texts, which could not be told from numbers and lists else."""


def reader_of(field: Field) -> Read | None:
    """Return what reads the cells of a field; None where it is the text itself."""
    if isinstance(field, CharField):
        return (lambda cell: cell or None) if field.allow_null else None
    empty = None if field.allow_null else ABSENT
    if isinstance(field, _NESTED):
        return lambda cell: _json_or_text(cell) if cell else empty
    if isinstance(field, BooleanField):
        return lambda cell: {"true": True, "false": False, "": empty}.get(cell.lower(), cell)
    return lambda cell: cell or empty


def writers_of(fields: Mapping[str, Field]) -> dict[str, Write]:
    """Return what writes the cells of each field that is shown, by its name."""
    return {
        name: _json if isinstance(field, _NESTED) else _plain
        for name, field in fields.items()
        if not field.write_only
    }


def _json_or_text(cell: str) -> Any:
    try:
        return from_json(cell.encode(), check=refuse_deep)
    except ParseError as exc:
        raise ValueError(str(exc.detail)) from exc
    except ValueError:
        return cell  # a text that somebody wrote by hand: the serializer judges it


def _json(value: Any) -> str:
    return "" if value is None else to_json(value).decode()


def _plain(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return _json(value)
    return str(value)
