"""The headers of a write: what is understood, and that everything else is refused by name."""

import os
import subprocess
import sys

import pytest
from django.test import RequestFactory

from workers.rest import ProblemError, headers
from workers.rest.headers import Prefer


def request(**fields: str):  # type: ignore[no-untyped-def]
    return RequestFactory().post(
        "/", headers={name.replace("_", "-"): value for name, value in fields.items()}
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("respond-async", Prefer(respond_async=True)),
        ("Respond-Async, wait=3", Prefer(respond_async=True, wait_seconds=3)),
        ("wait=0", Prefer(wait_seconds=0)),
        ("wait=100000", Prefer(wait_seconds=10)),
        ("return=minimal", Prefer(minimal=True)),
        ('return="minimal"; foo="some parameter"', Prefer(minimal=True)),
        ("return=representation", Prefer()),
        ("handling=lenient", Prefer()),
        ("", Prefer()),
        # RFC 7240, 2: of a preference that is repeated the first counts.
        ("return=representation, return=minimal", Prefer()),
        ("return=minimal, RETURN=representation", Prefer(minimal=True)),
        ("wait=2, wait=7", Prefer(wait_seconds=2)),
        ("wait=2,wait=nonsense", Prefer(wait_seconds=2)),
        ('wait="5"', Prefer(wait_seconds=5)),
        ("wait = 5", Prefer(wait_seconds=5)),
        ("wait=" + "0" * 5000 + "5", Prefer(wait_seconds=5)),
        ("wait=" + "9" * 5000, Prefer(wait_seconds=10)),
        ("Return=Minimal", Prefer(minimal=True)),
        # Preferences of others, whatever they hold.
        ('foo="a,b;c=\\"d\\", respond-async", wait=3', Prefer(wait_seconds=3)),
        ('foo="a"; bar="b,c", respond-async', Prefer(respond_async=True)),
        ('respond-async; reason="not now, please"; wait=1', Prefer(respond_async=True)),
        ("foo=a/b@c", Prefer()),
        # Empty elements of a list, RFC 9110, 5.6.1.
        ("wait=5,,", Prefer(wait_seconds=5)),
        (", ,\trespond-async ,", Prefer(respond_async=True)),
        (",", Prefer()),
    ],
)
def test_preferences_are_understood(value: str, expected: Prefer) -> None:
    assert headers.prefer(request(Prefer=value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "wait=abc",
        "wait=-1",
        "wait=",
        "wait=1.5",
        "wait=\u0665",
        "return=nothing",
        "=",
        "a b",
        'foo="a, wait=5',
    ],
)
def test_nonsense_in_prefer_is_refused(value: str) -> None:
    with pytest.raises(ProblemError) as refused:
        headers.prefer(request(Prefer=value))
    assert (refused.value.status_code, refused.value.code) == (400, "invalid_header")


@pytest.mark.parametrize(
    "value", ["8e03978e-40d5-43dd-bc93-6894a57f9324", '"8e03978e-40d5-43dd-bc93-6894a57f9324"']
)
def test_a_key_may_be_quoted_as_the_draft_says_or_bare(value: str) -> None:
    assert headers.idempotency_key(request(Idempotency_Key=value)) == "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"a b, c"', "a b, c"),
        (r'"say \"a\\b\""', r'say "a\b"'),
        ('"key";version=1', "key"),
        (" key ", "key"),
    ],
)
def test_a_key_is_a_string_of_structured_fields(value: str, expected: str) -> None:
    assert headers.idempotency_key(request(Idempotency_Key=value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", '""', "x" * 256, "x" * 5000, "a b", '"unclosed', "kärcher", r'"\a"', '"a"b'),
        # Sent on two lines, which the server joins.
        *("one,two", "one, two", '"one", "two"', '"one","one"'),
    ],
)
def test_a_key_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ProblemError) as refused:
        headers.idempotency_key(request(Idempotency_Key=value))
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"1-1"', ["1-1"]),
        ('"1-1", "1-2"', ["1-1", "1-2"]),
        ("*", ["*"]),
        ('W/"1-1"', []),
        ('W/"a", "b"', ["b"]),
        ('"5-1",', ["5-1"]),
        (', ,"5-1" ,\t"5-2"', ["5-1", "5-2"]),
        ('"a,b", "c"', ["a,b", "c"]),
        ('"a\\"', ["a\\"]),
        ('""', [""]),
    ],
)
def test_if_match_is_a_list_of_strong_tags(value: str, expected: list[str]) -> None:
    assert headers.if_match(request(If_Match=value)) == expected


@pytest.mark.parametrize(
    "value", ["1-1", "", ",", '"1-1" "1-2"', '"', '"1-1", *', "*, *", 'w/"1"', 'W/ "1"', '"a b"']
)
def test_if_match_that_is_no_list_of_tags_is_refused(value: str) -> None:
    with pytest.raises(ProblemError):
        headers.if_match(request(If_Match=value))


@pytest.mark.parametrize("value", ["x", "-1", "", "9" * 30])
def test_read_after_that_is_no_write_id_is_refused(value: str) -> None:
    with pytest.raises(ProblemError):
        headers.read_after(request(Read_After=value))


def test_conditions_keep_tags_as_they_were_sent() -> None:
    assert headers.entity_tags(request(If_None_Match='W/"a", "*", "b,c"'), "If-None-Match") == [
        'W/"a"',
        '"*"',
        '"b,c"',
    ]


LONG = 200_000
"""Characters for which a pattern with quadratic time needs minutes."""
READERS = """
import django; django.setup()
from django.test import RequestFactory
from workers.rest import ProblemError, headers
plain = RequestFactory().get("/")
units = (
    '"', ",", ";", "=", "\\\\", " ", "\\t", "a ",
    "a;", '" ', '"\\\\', 'W/"', '"",', 'a="', "a=;", "0", "*,", "\\xa0"
)
for unit in units:
    for before, after in (("", ""), ("a", '"'), ('"', ""), ('a="', ""), ("wait=", "x"), ('W/"', "x")):
        value = before + unit * ({LONG} // len(unit)) + after
        for name in ("PREFER", "IDEMPOTENCY_KEY", "IF_MATCH", "IF_NONE_MATCH", "READ_AFTER"):
            plain.META["HTTP_" + name] = value
        for read in (
            headers.prefer, headers.idempotency_key, headers.if_match, headers.read_after,
            lambda request: headers.entity_tags(request, "If-None-Match"),
        ):
            try:
                read(plain)
            except ProblemError as refused:
                assert refused.status_code == 400 and len(refused.detail) < 300
"""


def test_the_time_that_a_header_takes_grows_with_its_length_alone() -> None:
    subprocess.run(
        [sys.executable, "-c", READERS.replace("{LONG}", str(LONG))],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        timeout=60,
        check=True,
    )
