"""Values of every type that a serializer validates to, on their way to a write function and back."""

import ipaddress
import json
import math
import re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.serializers import Serializer
from rest_framework.utils.serializer_helpers import ReturnDict

from tests.jottings.models import Topic
from workers import FileArgument, UnfitArgument, UnsupportedArgument, Write
from workers.encoding.exact_json import from_json, to_json
from workers.encoding.values import MAX_DEPTH
from workers.exceptions import UndecodableEntry
from workers.writes import decode, decode_arguments, encode, encode_arguments, new_token

EAST = timezone(timedelta(hours=5, minutes=30))


def name(value: object) -> str:
    """Return the name of a case: the same in every process, so without addresses and the order of sets."""
    if isinstance(value, set):
        return f"a set of {len(value)}"
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))[:40]


class Colour(models.TextChoices):
    RED = "red"


class Size(models.IntegerChoices):
    LARGE = 3


class Plain(Enum):
    ONE = Decimal("1.10")


class Level(IntEnum):
    LOW = 1


Point = namedtuple("Point", "x y")


@dataclass
class Place:
    name: str
    since: date


def sent(value: Any) -> Any:
    """Return what a write function is given for this value."""
    write = Write(function="f", arguments={"data": {"value": value}}, token=new_token())
    read = decode(1, encode(write))
    # A failed write keeps them, and a retry hands them over again.
    again = decode_arguments(encode_arguments(read))
    assert again == read.arguments
    return read.arguments["data"]["value"]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC) | st.just(EAST))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.binary()
)
keys = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys | st.just("$types"), inner, max_size=3)
        | st.sets(scalars.filter(lambda one: one == one), max_size=3)
    ),
)


@given(values)
def test_what_a_serializer_validated_is_what_a_write_function_is_given(value: Any) -> None:
    arrived = sent(value)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "red"),
        (Size.LARGE, 3),
        (Level.LOW, 1),
        (Plain.ONE, Decimal("1.10")),
        ({Colour.RED: 1}, {"red": 1}),
        (gettext_lazy("Not now."), "Not now."),
        (mark_safe("<b>"), "<b>"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (Point(1, Decimal(2)), (1, Decimal(2))),
        (frozenset({1}), {1}),
        (OrderedDict(a=time(1, tzinfo=UTC)), {"a": time(1, tzinfo=UTC)}),
        (ReturnDict({"a": [date(2026, 1, 1)]}, serializer=Serializer()), {"a": [date(2026, 1, 1)]}),
        (Place("a", date(2026, 1, 1)), {"name": "a", "since": date(2026, 1, 1)}),
        (bytearray(b"\x00\xff"), b"\x00\xff"),
        (memoryview(b"\x00\xff"), b"\x00\xff"),
        ({(1, timedelta(1)), (2, None)}, {(1, timedelta(1)), (2, None)}),
        (Topic(pk=7), 7),
        ([Topic(pk=7), Topic(pk=8)], [7, 8]),
        (datetime(2026, 1, 1, tzinfo=EAST), datetime(2026, 1, 1, tzinfo=EAST)),
        (timedelta(days=-1, microseconds=1), timedelta(days=-1, microseconds=1)),
    ],
    ids=name,
)
def test_what_has_a_simpler_form_arrives_in_it(value: Any, expected: Any) -> None:
    assert sent(value) == expected


@pytest.mark.django_db
def test_a_queryset_arrives_as_its_primary_keys() -> None:
    topics = [Topic.objects.create(name=name) for name in "ab"]

    assert sent(Topic.objects.order_by("pk")) == [topic.pk for topic in topics]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**64, "data.value is an integer beyond 64 bits"),
        (-(2**63) - 1, "data.value is an integer beyond 64 bits"),
        ({"a": [1, 10**400]}, "data.value.a.1 is an integer beyond 64 bits"),
        (math.nan, "data.value is a number that is not finite"),
        ([-math.inf], "data.value.0 is a number that is not finite"),
        ("a\ud800", "data.value is a text that is not Unicode"),
        ({"a\ud800": 1}, "data.value is a text that is not Unicode"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_value_that_cannot_be_carried_exactly_is_refused_by_its_place(value: Any, reason: str) -> None:
    with pytest.raises(UnfitArgument, match=f"^{reason}"):
        sent(value)


def nested(levels: int) -> Any:
    value: Any = None
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_nesting_is_carried_to_a_limit_and_refused_beyond_it() -> None:
    assert sent(nested(MAX_DEPTH - 2)) == nested(MAX_DEPTH - 2)
    for levels in (MAX_DEPTH - 1, 300, 10_000):
        with pytest.raises(UnfitArgument, match="nested deeper"):
            sent(nested(levels))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "data.value is a value of the type object"),
        ([len], "data.value.0 is a value of the type builtin_function_or_method"),
        (1j, "data.value is a value of the type complex"),
        ({1: "a"}, "data.value is a dict with the key 1"),
        ({None: "a"}, "data.value is a dict with the key None"),
        (Topic(), "data.value is an instance of Topic that is not stored"),
        ((one for one in "ab"), "data.value is a value of the type generator"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_type_that_the_stream_cannot_carry_is_a_type_error_that_names_its_place(
    value: Any, reason: str
) -> None:
    with pytest.raises(UnsupportedArgument, match=f"The argument {reason}") as refused:
        sent(value)
    assert isinstance(refused.value, TypeError)


def test_a_file_is_refused_as_one() -> None:
    with pytest.raises(FileArgument, match="Store the file first"):
        sent(SimpleUploadedFile("a.txt", b"a"))


def test_the_name_that_the_write_path_needs_is_refused() -> None:
    with pytest.raises(UnsupportedArgument):
        encode(Write(function="f", arguments={"$types": []}, token=new_token()))


@pytest.mark.parametrize(
    "types",
    [
        [[["gone"], "date"]],
        [[["a"], "date"]],
        [[["a"], "odd"]],
        [[[], "date"]],
        [["a"]],
        5,
        [[["a", 3], "date"]],
    ],
)
def test_types_that_do_not_fit_make_an_entry_undecodable(types: Any) -> None:
    payload = orjson.dumps([new_token(), "f", {"a": "x", "$types": types}, "", "", ""])

    with pytest.raises(UndecodableEntry):
        decode(1, payload)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), '"1.10"'),
        (timedelta(days=1, hours=2), '"1 02:00:00"'),
        (b"\x00\xff", '"AP8="'),
        ({"a"}, '["a"]'),
        (Colour.RED, '"red"'),
        (gettext_lazy("Not now."), '"Not now."'),
        (Topic(pk=7), "7"),
        (ipaddress.ip_address("::1"), '"::1"'),
        (UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
        (datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00Z"'),
        (math.nan, "null"),
        (2**70, "1180591620717411303424"),
        ([2**70, datetime(2026, 1, 1, tzinfo=UTC)], '[1180591620717411303424,"2026-01-01T00:00:00Z"]'),
        ({1: "a", None: 2**70}, '{"1":"a","null":1180591620717411303424}'),
        (OrderedDict(a=(1, 2)), '{"a":[1,2]}'),
        ("a\ud800", '"a?"'),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_result_of_these_types_is_sent_as_drf_shows_it(value: Any, text: str) -> None:
    assert to_json(value).decode() == text


def test_a_result_that_is_nested_deep_is_sent_and_one_without_end_is_a_type_error() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert from_json(to_json(nested(500))) == nested(500)
    for value in (endless, nested(100_000), object(), {uuid4(): 1}):
        with pytest.raises(TypeError):
            to_json(value)


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        "-99999999999999999999",
        "123456789012345678901234567890",
        "0",
        "[1.5, 1e300, -0.0]",
    ],
)
def test_numbers_are_read_exactly(text: str) -> None:
    assert repr(from_json(text.encode())) == repr(json.loads(text))


def test_digits_that_a_float_does_not_hold_are_kept_for_a_decimal() -> None:
    long, short = from_json(b"[1.10000000000000000001, 0.1234567890123456]")

    assert (str(long), long) == ("1.10000000000000000001", 1.1)
    assert type(short) is float
    assert isinstance(sent(long), float)
    assert (str(sent(long)), sent(long)) == (str(long), long)
