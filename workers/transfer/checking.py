"""The records of a slice, checked by the serializer: rows to write, and what is wrong with the others."""

from collections.abc import Mapping
from typing import Any

from rest_framework.serializers import Serializer

from workers.encoding import values
from workers.exceptions import NON_FIELD, UnfitArgument, UnsupportedArgument
from workers.rest.many import check_many
from workers.transfer.slices import Slice

Errors = Mapping[str, Any]
"""Messages by field."""


def checked(
    part: Slice, serializer: Serializer, *, as_validated: bool
) -> tuple[list[Any], list[tuple[int, Errors]]]:
    """Return the rows that are valid, and of each other record its place in the slice and its errors.

    A row is what the serializer made of it, `as_validated`, else what stands in the file.
    """
    refused: dict[int, Errors] = {
        place: {NON_FIELD: [record.problem]} for place, record in enumerate(part.records) if record.problem
    }
    places = [place for place in range(len(part.records)) if place not in refused]
    given = [part.records[place].data for place in places]
    rows, errors = check_many(type(serializer), given, serializer=serializer)
    refused |= {places[number]: told for number, told in errors.items()}
    if not as_validated:
        rows = [one for number, one in enumerate(given) if number not in errors]
    if not _can_be_carried(rows):
        places = [place for place in places if place not in refused]
        unfit = {place: told for place, row in zip(places, rows, strict=True) if (told := _unfit(row))}
        rows = [row for place, row in zip(places, rows, strict=True) if place not in unfit]
        refused |= unfit
    return rows, sorted(refused.items(), key=lambda one: one[0])


def _can_be_carried(rows: list[Any]) -> bool:
    try:
        values.pack({"data": rows})
    except (UnfitArgument, UnsupportedArgument):
        return False
    return True


def _unfit(row: Any) -> Errors:
    try:
        values.pack({"data": row})
    except (UnfitArgument, UnsupportedArgument) as exc:
        return {exc.place.removeprefix("data."): [f"It is {exc.what}, which cannot be kept exactly."]}
    return {}
