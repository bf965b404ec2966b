"""What the store refuses, told in the words of the models: which field or constraint stands in the way.

SQLite names columns, constraints or indexes, and only in its message, for which there is no other form.
See https://www.sqlite.org/rescode.html#constraint. PostgreSQL tells them apart.
"""

import logging
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db import DatabaseError
from django.db.models import BaseConstraint, CheckConstraint, F, Field, Model, UniqueConstraint
from django.db.models.deletion import ProtectedError, RestrictedError

from workers.exceptions import NON_FIELD, WriteRejected

logger = logging.getLogger(__name__)

DETAIL = "The change conflicts with what is stored."

REFERENCES = "It refers to something that does not exist, or something refers to it."

Fields = dict[str, list[str]]

_NAMED = re.compile(
    r"(?P<kind>UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (?P<what>.*))?", re.DOTALL
)
_INDEX = re.compile(r"index '(.+)'")
_KEY = re.compile(r"\((.+?)\)=\(")
"""In PostgreSQL's detail, whatever its language: Key (column, column)=(value, value)."""
_COLUMN = re.compile(r'"([^"]+)"')


def conflict_of(exc: DatabaseError) -> WriteRejected:
    """Return the rejection (409) that tells what the store refuses, by its fields where they are known."""
    try:
        return _told(exc)
    except (
        Exception
    ):  # the message of a constraint is the developer's, and the conflict is one without it too
        logger.exception("conflict state=not-named error=%r", exc)
        return _conflict("", {})


def _told(exc: DatabaseError) -> WriteRejected:
    if isinstance(exc, ProtectedError | RestrictedError):
        return _conflict(str(exc.args[0]), {})
    if (diagnosis := getattr(exc.__cause__, "diag", None)) is not None:
        return _told_by_postgresql(diagnosis)
    found = _NAMED.match(str(exc))
    kind, what = (found["kind"], found["what"] or "") if found else ("", "")
    match kind:
        case "FOREIGN KEY":
            return _conflict(REFERENCES, {})
        case "UNIQUE" if index := _INDEX.fullmatch(what):
            return _named(index[1])
        case "UNIQUE":
            return _not_unique(*_columns(what))
        case "NOT NULL":
            return _is_null(what)
        case "CHECK":
            return _named(what)
    # What a trigger raises is a sentence of the developer's.
    is_of_trigger = getattr(exc.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_TRIGGER
    return _conflict(str(exc) if is_of_trigger else "", {})


def _told_by_postgresql(diagnosis: Any) -> WriteRejected:
    """See https://www.postgresql.org/docs/current/protocol-error-fields.html."""
    name, table = diagnosis.constraint_name or "", diagnosis.table_name or ""
    match diagnosis.sqlstate:
        case "23503":
            return _conflict(REFERENCES, {})
        case "23505" if not _is_named(name):
            # The index is Django's own, and its name made up.
            columns = _KEY.search(diagnosis.message_detail or "")
            names = columns[1].split(", ") if columns else []
            return _not_unique(*_columns(", ".join(f"{table}.{one.strip(chr(34))}" for one in names)))
        case "23502":
            return _is_null(f"{table}.{diagnosis.column_name}")
        case "23514" if not _is_named(name):
            return _out_of_range(_columns_in(name, table))
        case "23505" | "23514" | "23P01":
            return _named(name)
    # What a trigger raises is a sentence of the developer's.
    return _conflict(diagnosis.message_primary or "", {})


def _columns_in(name: str, table: str) -> list[str]:
    """Return the field whose column gave a check without a name its name: table_column_check."""
    model = next((model for model in _models() if model._meta.db_table == table), None)
    fields = [] if model is None else model._meta.concrete_fields
    return [field.name for field in fields if name == f"{table}_{field.column}_check"]


def _is_named(name: str) -> bool:
    return any(one.name == name for model in _models() for one in model._meta.constraints)


def _is_null(column: str) -> WriteRejected:
    fields = {field.name: [str(field.error_messages["null"])] for field in _columns(column)[1]}
    return _conflict(next((messages[0] for messages in fields.values()), ""), fields)


def _conflict(message: str, fields: Fields) -> WriteRejected:
    return WriteRejected(409, "conflict", f"{DETAIL} {message}".strip(), fields=fields or None)


def _columns(what: str) -> tuple[type[Model] | None, list[Field]]:
    """Return the model and the fields that `table.column, table.column` stands for."""
    names = [name.rpartition(".") for name in what.split(", ")]
    table = names[0][0]
    model = next((model for model in _models() if model._meta.db_table == table), None)
    if model is None:
        return None, []
    by_column = {field.column: field for field in model._meta.concrete_fields}
    return model, [by_column[column] for _, _, column in names if column in by_column]


def _not_unique(model: type[Model] | None, fields: Sequence[Field]) -> WriteRejected:
    if model is None or not fields:
        return _conflict("", {})
    names = tuple(field.name for field in fields)
    constraint = next(
        (
            one
            for one in model._meta.constraints
            if isinstance(one, UniqueConstraint) and set(one.fields) == set(names)
        ),
        None,
    )
    if constraint is not None and _has_message(constraint):
        message = str(constraint.get_violation_error_message())
    else:
        message = model().unique_error_message(model, names).messages[0]
    return _conflict(message, {name: [message] for name in names})


def _named(name: str) -> WriteRejected:
    """Return the conflict with a constraint of this name, or with a check that has none but its text."""
    constraint = next(
        (one for model in _models() for one in model._meta.constraints if one.name == name), None
    )
    if constraint is None:
        return _out_of_range(_fields_in(name))
    message = str(constraint.get_violation_error_message())
    return _conflict(
        message, {field: [message] for field in _fields_of(constraint)} or {NON_FIELD: [message]}
    )


def _out_of_range(fields: Iterable[str]) -> WriteRejected:
    message = "A value is outside what the store allows."
    return _conflict(message, {field: [message] for field in fields})


def _has_message(constraint: BaseConstraint) -> bool:
    return constraint.violation_error_message != constraint.default_violation_error_message


def _fields_of(constraint: BaseConstraint) -> list[str]:
    """Return the fields that a constraint looks at."""
    if isinstance(constraint, CheckConstraint):
        return sorted(constraint.condition.referenced_base_fields)  # type: ignore[union-attr]  # the stubs lack it
    if isinstance(constraint, UniqueConstraint) and not constraint.fields:
        parts = (part for one in constraint.expressions for part in _parts_of(one))
        return sorted({str(part.name) for part in parts if isinstance(part, F)})  # type: ignore[attr-defined]  # the stubs lack it
    return list(getattr(constraint, "fields", ()))


def _parts_of(expression: Any) -> Iterable[Any]:
    return expression.flatten() if hasattr(expression, "flatten") else [expression]


def _fields_in(check: str) -> list[str]:
    """Return the field that a check without a name can only mean: SQLite tells its text, not its table."""
    columns = set(_COLUMN.findall(check)) or {check}
    names = {
        field.name for model in _models() for field in model._meta.concrete_fields if field.column in columns
    }
    return sorted(names) if len(names) == 1 else []


def _models() -> Iterator[type[Model]]:
    models: Iterable[type[Model]] = apps.get_models(include_auto_created=True)
    return (model for model in models if model._meta.managed)
