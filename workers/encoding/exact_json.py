"""JSON as it is read from clients and written for them: no number changes on the way.

orjson does nearly all of it. What it would change (integers beyond 64 bits, digits that a float cannot hold)
or refuses (such integers, keys that are no texts, deep nesting) goes through Python's own json.
"""

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Manager, Model, QuerySet
from django.utils.duration import duration_string
from django.utils.functional import Promise

ADDRESSES = (
    *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network),
    *(ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network),
)

MAX_DIGITS = 4_000
"""Of an integer: Python refuses more than 4,300, because their conversion takes quadratic time."""

_LONG_NUMBER = re.compile(rb"[0-9][0-9.]{15}")
"""May be more than 64 bits or a float hold. In a text it costs a little time, and does no harm."""


def to_json(value: Any, *, other: Callable[[Any], Any] | None = None) -> bytes:
    """Return what is sent to a client as JSON; `other` makes something of types that are not known here.

    Decimals and durations become texts, as in DRF's fields, sets lists, bytes Base64, instances primary keys,
    floats that are no numbers null. Raises TypeError for any other type.
    """

    def form(one: Any) -> Any:
        return _form(one, other)

    try:
        return orjson.dumps(value, default=form, option=orjson.OPT_UTC_Z)
    except TypeError:
        return _to_json_slowly(value, form)


def from_json(text: bytes, *, check: Callable[[Any], None] = lambda value: None) -> Any:
    """Return what a JSON text says, each number exactly. Raises ValueError.

    `check` sees it first, with numbers that may not be exact: Python's json reads less deep than orjson does.
    """
    value = orjson.loads(text)
    check(value)
    if _LONG_NUMBER.search(text):
        # orjson makes floats of integers beyond 64 bits, and drops digits that a float does not hold.
        value = json.loads(text, parse_float=_float, parse_int=_int)
    return value


class ExactFloat(float):
    """A float that knows its digits: `str` gives them, of which DRF's DecimalField makes its Decimal."""

    text: str

    def __str__(self) -> str:
        return self.text


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def exact_float(text: str) -> ExactFloat:
    """Return the number of this text, which knows it."""
    exact = ExactFloat(text)
    exact.text = text
    return exact


def _float(text: str) -> float:
    value = float(text)
    return value if Decimal(text) == Decimal(repr(value)) else exact_float(text)


def _to_json_slowly(value: Any, form: Callable[[Any], Any]) -> bytes:
    """Write what orjson cannot: large integers, keys that are no texts, deep nesting, lone surrogates."""
    try:
        text = json.dumps(value, default=form, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as exc:
        raise TypeError(f"It cannot be JSON: {exc}.") from exc
    return text.encode(errors="replace")


def _form(value: Any, other: Callable[[Any], Any] | None) -> Any:
    match value:
        case datetime() | date() | time() | UUID():  # known to orjson, not to json
            return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))
        case timedelta():
            return duration_string(value)
        case Decimal() | Promise():
            return str(value)
        case Enum():
            return value.value
        case float():
            return float(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Model():
            return value.pk
        case Manager():
            return list(value.all())
        case set() | frozenset() | QuerySet() | tuple():
            return list(value)
        case Mapping():
            return dict(value)
    if isinstance(value, ADDRESSES):
        return str(value)
    if other is None:
        raise TypeError(f"A value of the type {type(value).__name__} cannot be sent as JSON.")
    return other(value)
