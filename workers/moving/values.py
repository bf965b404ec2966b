"""The values of a column: read from what a database gives, checked, hashed, and written to another one.

`read` makes of what a driver gives the value that Python has for it, the same one for either database, or
raises ValueError, which says why the target would not take it. `write` makes of that what SQLite keeps.
"""

import ipaddress
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.duration import duration_microseconds

T = TypeVar("T")

Change = Callable[[Any], Any]

SQLITE_DIGITS = 15
"""Of a decimal, which SQLite keeps as a binary number: https://www.sqlite.org/floatingpoint.html."""

_TEXTS = {"CharField", "TextField", "SlugField", "FileField", "FilePathField"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What is done with the values of one column; None where they are taken as they are."""

    read: Change | None = None
    write: Change | None = None
    """For SQLite alone: the driver of PostgreSQL takes the values themselves."""
    hashed: Change | None = None
    """For values that have more than one form."""


def conversion_of(field: Any, source: BaseDatabaseWrapper, target: BaseDatabaseWrapper) -> Conversion:
    """Return what is done with the values of a field on their way."""
    while field.remote_field is not None:
        field = field.target_field
    kind = field.get_internal_type()
    if kind in _TEXTS:
        limit = field.max_length if target.vendor == "postgresql" and kind != "TextField" else None
        return Conversion(read=partial(_text, limit))
    if kind.endswith("IntegerField") or kind.endswith("AutoField"):
        return Conversion(read=partial(_integer, *target.ops.integer_field_range(kind)))
    if kind == "DecimalField":
        return _decimal(field, target)
    return _OTHERS.get(kind, Conversion(read=_anything))


def _decimal(field: Any, target: BaseDatabaseWrapper) -> Conversion:
    places = Decimal(1).scaleb(-field.decimal_places)
    digits = field.max_digits if target.vendor == "postgresql" else min(field.max_digits, SQLITE_DIGITS)
    return Conversion(read=partial(_read_decimal, places, digits, field.max_digits), write=str)


def _read_decimal(places: Decimal, digits: int, max_digits: int, value: Any) -> Decimal:
    if isinstance(value, float):
        value = Context(prec=SQLITE_DIGITS).create_decimal_from_float(value)
    try:
        found = Decimal(value).quantize(places, context=Context(prec=max_digits))
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"is no decimal of {max_digits} digits: {_shown(value)}") from None
    if not found.is_finite():
        raise ValueError(f"is no number: {found}")
    if len(found.normalize().as_tuple().digits) > digits:
        raise ValueError(f"has more than {digits} digits: {found}")
    return found


def _text(limit: int | None, value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"is no text: {_shown(value)}")
    if limit is not None and len(value) > limit:
        raise ValueError(f"has {len(value)} characters, and the column takes {limit}")
    if "\0" in value:
        raise ValueError("has a NUL character in it")
    return value


def _integer(least: int | None, most: int | None, value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"is no whole number: {_shown(value)}")
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(f"is out of the column's range, {least} to {most}: {value}")
    return value


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    if type(value) is int and value in {0, 1}:
        return value == 1
    raise ValueError(f"is neither 0 nor 1: {_shown(value)}")


def _float(value: Any) -> float:
    if type(value) not in {int, float}:
        raise ValueError(f"is no number: {_shown(value)}")
    if math.isnan(value):
        raise ValueError("is NaN, which SQLite does not keep")
    return float(value)


def _date(value: Any) -> date:
    return value if type(value) is date else _parsed(date.fromisoformat, value, "date")


def _time(value: Any) -> time:
    return value if type(value) is time else _parsed(time.fromisoformat, value, "time")


def _datetime(value: Any) -> datetime:
    found = value if type(value) is datetime else _parsed(datetime.fromisoformat, value, "date and time")
    if not settings.USE_TZ:
        return found
    if found.tzinfo is None:
        return found.replace(tzinfo=UTC)
    return found if found.tzinfo is UTC else found.astimezone(UTC)


def _write_datetime(value: datetime) -> str:
    return str(value.replace(tzinfo=None))


def _duration(value: Any) -> timedelta:
    if type(value) is timedelta:
        return value
    if type(value) is not int:
        raise ValueError(f"is no duration in microseconds: {_shown(value)}")
    try:
        return timedelta(microseconds=value)
    except OverflowError:
        raise ValueError(f"is too long a duration: {value}") from None


def _uuid(value: Any) -> UUID:
    return value if type(value) is UUID else _parsed(UUID, value, "UUID")


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        raise ValueError(f"is a text, not bytes: {_shown(value)}")
    return bytes(value)


def _address(value: Any) -> str:
    return str(_parsed(ipaddress.ip_address, value, "IP address"))


def _json(value: Any) -> str:
    try:
        found = json.loads(value, parse_constant=_refuse_constant)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ValueError(f"is no JSON ({exc}): {_shown(value)}") from None
    if "\\u" in value:
        _refuse_characters(json.dumps(found, ensure_ascii=False))
    return str(value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _refuse_characters(text: str) -> None:
    # json.dumps writes a NUL as an escape again, with an even number of backslashes before it.
    if "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("has a NUL character in its JSON")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has half a character (a lone surrogate) in its JSON") from None


def _json_hashed(value: str) -> Any:
    # PostgreSQL orders names and drops repeated ones, and writes 1e2 as 100.
    return json.loads(value, parse_float=_number, parse_int=_number, object_pairs_hook=_in_order)


def _number(text: str) -> str:
    return str(Decimal(text).normalize(Context(prec=1_000)))


def _in_order(pairs: list[tuple[str, Any]]) -> Any:
    return ("object", sorted(dict(pairs).items(), key=lambda pair: pair[0]))


def _anything(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("has a NUL character in it")
    return bytes(value) if isinstance(value, memoryview) else value


def _parsed(parse: Callable[[Any], T], value: Any, what: str) -> T:
    try:
        return parse(value)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"is no {what}: {_shown(value)}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_OTHERS = {
    "BooleanField": Conversion(read=_boolean),
    "FloatField": Conversion(read=_float),
    "DateField": Conversion(read=_date, write=str),
    "TimeField": Conversion(read=_time, write=str),
    "DateTimeField": Conversion(read=_datetime, write=_write_datetime),
    "DurationField": Conversion(read=_duration, write=duration_microseconds),
    "UUIDField": Conversion(read=_uuid, write=lambda value: value.hex),
    "BinaryField": Conversion(read=_bytes),
    "GenericIPAddressField": Conversion(read=_address),
    "IPAddressField": Conversion(read=_address),
    "JSONField": Conversion(read=_json, hashed=_json_hashed),
}
