"""What the writer does with a slice: all of its rows in one savepoint, or as many as the store takes.

This module is imported wherever write functions are, so it imports nothing of the commands.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from workers.exceptions import NON_FIELD
from workers.rejections import rejection_of
from workers.store.postgresql.sequences import pass_key
from workers.writes import Result, Write

Row = Mapping[str, Any]
Insert = Callable[[Sequence[Row]], object]
"""Inserts rows, all of them or none. What it raises is judged as for any write function."""
OF_ONE_ROW = (400, 404, 409)
"""What one row may be rejected with, while the others are taken. Who may not write may write none of them."""

ONE_BY_ONE = 8
"""Rows of which one is refused that are no longer parted by halves: where all are refused, halves of so few
cost twice as much as each row alone."""

Refused = tuple[int, Mapping[str, Any]]
"""The place of a record in its slice, from 0, and messages by field."""


def imported(write: Write, insert: Insert) -> Result:
    """Apply a slice: insert the rows in `data`, or those that the store takes, and say which it does not.

    For the write function of an import: it is the one who knows how to insert.
    """
    found: list[Refused] = [(place, errors) for place, errors in write.arguments["refused"]]
    places = _places(len(write.arguments["data"]), {place for place, _ in found})
    refused = list(_insert(list(zip(places, write.arguments["data"], strict=True)), insert))
    body = {"created": len(places) - len(refused), "refused": sorted(found + refused, key=lambda one: one[0])}
    return Result(http_status=201 if body["created"] else 200, body=body)


def restored(model: type[Model]) -> Insert:
    """Return what inserts rows with all their values as `export` wrote them, primary keys included."""
    fields = {field.name: field for field in model._meta.concrete_fields}

    def insert(rows: Sequence[Row]) -> None:
        keys = []
        for row in rows:
            values = {fields[name].attname: fields[name].to_python(value) for name, value in row.items()}
            # As loaddata does: neither save() nor auto_now changes what was exported.
            one = model(**values)
            one.save_base(raw=True, force_insert=True)
            keys.append(one.pk)
        if connection.vendor == "postgresql":  # whose sequence knows nothing of keys that were given here
            pass_key(connection, model, max(keys))

    return insert


def _places(count: int, refused: set[int]) -> list[int]:
    """Return the places of the rows in their slice: those that are not refused already."""
    return [place for place in range(count + len(refused)) if place not in refused]


def _insert(rows: Sequence[tuple[int, Row]], insert: Insert) -> Iterable[Refused]:
    """Insert as many of the rows as the store takes, in ever smaller parts; yield the others."""
    if not rows:
        return
    try:
        with transaction.atomic():
            insert([row for _, row in rows])
    except Exception as exc:
        rejection = rejection_of(exc)
        if rejection is None or rejection.http_status not in OF_ONE_ROW:
            raise
        if len(rows) == 1:
            yield rows[0][0], rejection.fields or {NON_FIELD: [rejection.detail]}
            return
        step = len(rows) // 2 if len(rows) > ONE_BY_ONE else 1
        for start in range(0, len(rows), step):
            yield from _insert(rows[start : start + step], insert)
