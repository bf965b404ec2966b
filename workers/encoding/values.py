"""Values on their way: what a write function is given is what the view's serializer validated.

The stream carries JSON. What JSON has no form for travels as one that it has, and its place and type stand
beside the arguments, so that the writer makes the value again:

| given to `submit` | arrives as |
|---|---|
| None, bool, str, finite float, int of 64 bits, list, dict with text keys | itself |
| datetime (with its offset), date, time, timedelta, Decimal, UUID, set, tuple | itself |
| bytes, bytearray, memoryview | bytes |
| member of an Enum (`TextChoices`), lazy translation | its value, its text |
| model instance, queryset | its primary key, a list of them |
| IP address | its text |
| dataclass, any other mapping | dict |

A value that JSON cannot carry exactly (an integer beyond 64 bits, a float that is no number, nesting without
end) is the client's, and raises UnfitArgument. A type that is not in the table is the developer's, and raises
UnsupportedArgument, or FileArgument for a file.
"""

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db.models import Manager, Model, QuerySet
from django.utils.functional import Promise

from workers.encoding.exact_json import ADDRESSES, ExactFloat, exact_float
from workers.exceptions import FileArgument, UnfitArgument, UnsupportedArgument

MAX_DEPTH = 150
"""Levels of lists and dicts in arguments. orjson writes 254 of them, and the stream adds its own."""

TYPES = "$types"
"""The name beside the arguments under which the types of values stand; no argument may have it."""

Place = tuple[str | int, ...]
Types = list[tuple[list[str | int], str]]

_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_MICROSECOND = timedelta(microseconds=1)

_RESTORE: dict[str, Callable[[Any], Any]] = {
    "bytes": base64.b64decode,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "decimal": Decimal,
    "exact_float": exact_float,
    "set": set,
    "time": time.fromisoformat,
    "tuple": tuple,
    "timedelta": lambda microseconds: timedelta(microseconds=int(microseconds)),
    "uuid": UUID,
}


def pack(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments in JSON types, with the types that JSON lacks under TYPES.

    Raises UnfitArgument and UnsupportedArgument, which name the place. A text that is not Unicode is left to
    `pack_slowly`: to look at every text would cost more than all the rest.
    """
    if TYPES in arguments:
        raise UnsupportedArgument(TYPES, "an argument with a name that the write path needs")
    return arguments if _is_plain(arguments, 0) else pack_slowly(arguments)


def pack_slowly(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `pack` does, and look at every value."""
    packer = _Packer()
    packed: dict[str, Any] = packer.pack(dict(arguments), (), 0)
    return packed | {TYPES: packer.types} if packer.types else packed


def unpack(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as they were before `pack`. Raises ValueError, TypeError or LookupError."""
    types = arguments.pop(TYPES, None)
    for place, name in types or ():
        *way, last = place
        holder: Any = arguments
        for key in way:
            holder = holder[key]
        holder[last] = _RESTORE[name](holder[last])
    return arguments


def _is_plain(value: Any, depth: int) -> bool:
    """Return whether JSON carries the value as it is. On the path of every write, so without detours."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(_LOWEST <= value <= _HIGHEST)
    if kind is float:
        return math.isfinite(value)
    if kind not in (dict, list) or depth >= MAX_DEPTH:
        return False
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        value = value.values()
    for one in value:  # noqa: SIM110 - `all` of a generator takes twice as long
        if type(one) is not str and not _is_plain(one, depth + 1):
            return False
    return True


class _Packer:
    """Makes JSON types of one write's arguments, and notes what they were."""

    def __init__(self) -> None:
        self.types: Types = []

    def pack(self, value: Any, place: Place, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise UnfitArgument(_shown(place[:3]), f"a value nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, Enum):
            return self.pack(value.value, place, depth)
        if value is None or isinstance(value, bool | str | Promise):
            return value if value is None or isinstance(value, bool) else _text(str(value), place)
        if isinstance(value, ExactFloat):
            self.types.append((list(place), "exact_float"))
            return value.text
        if isinstance(value, int | float):
            return _number(value, place)
        if isinstance(value, Model):
            if value.pk is None:
                raise UnsupportedArgument(
                    _shown(place), f"an instance of {type(value).__name__} that is not stored"
                )
            return self.pack(value.pk, place, depth)
        if (typed := _typed(value)) is not None:
            self.types.append((list(place), typed[0]))
            return typed[1]
        return self._pack_many(value, place, depth)

    def _pack_many(self, value: Any, place: Place, depth: int) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return {
                _key(key, place): self.pack(one, (*place, _key(key, place)), depth + 1)
                for key, one in value.items()
            }
        if isinstance(value, Manager):
            value = value.all()
        if isinstance(value, list | tuple | set | frozenset | QuerySet):
            packed = [self.pack(one, (*place, number), depth + 1) for number, one in enumerate(value)]
            if not isinstance(value, list | QuerySet):  # after what is in it, which is made again first
                self.types.append((list(place), "tuple" if isinstance(value, tuple) else "set"))
            return packed
        if isinstance(value, ADDRESSES):
            return str(value)
        if isinstance(value, File):
            raise FileArgument(_shown(place), "a file")
        raise UnsupportedArgument(_shown(place), f"a value of the type {type(value).__name__}")


def _typed(value: Any) -> tuple[str, Any] | None:
    """Return the type and the JSON form of a value for which JSON has none."""
    match value:
        case datetime():
            return "datetime", value.isoformat()
        case date():
            return "date", value.isoformat()
        case time():
            return "time", value.isoformat()
        case timedelta():
            return "timedelta", str(value // _MICROSECOND)  # as a text: they can be more than 64 bits
        case Decimal():
            return "decimal", str(value)
        case UUID():
            return "uuid", str(value)
        case bytes() | bytearray() | memoryview():
            return "bytes", base64.b64encode(value).decode()
    return None


def _number(value: float, place: Place) -> float:
    if isinstance(value, int):
        if not _LOWEST <= value <= _HIGHEST:
            raise UnfitArgument(_shown(place), "an integer beyond 64 bits")
        return int(value)
    if not math.isfinite(value):
        raise UnfitArgument(_shown(place), "a number that is not finite")
    return float(value)


def _text(value: str, place: Place) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UnfitArgument(_shown(place), "a text that is not Unicode") from None
    return value


def _key(key: Any, place: Place) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str | Promise):
        raise UnsupportedArgument(_shown(place), f"a dict with the key {key!r:.50}: keys must be texts")
    return _text(str(key), place)


def _shown(place: Place) -> str:
    return ".".join(str(part)[:50] for part in place)
