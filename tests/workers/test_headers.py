"""The headers of a write: what is understood, and that everything else is refused by name."""

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
    ],
)
def test_preferences_are_understood(value: str, expected: Prefer) -> None:
    assert headers.prefer(request(Prefer=value)) == expected


@pytest.mark.parametrize(
    "value", ["wait=abc", "wait=-1", "wait=", "wait=1.5", "return=nothing", "=", "a b", "wait=5,,"]
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


@pytest.mark.parametrize("value", ["", '""', "x" * 256, "x" * 5000, "a b", '"unclosed', "kärcher"])
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
    ],
)
def test_if_match_is_a_list_of_strong_tags(value: str, expected: list[str]) -> None:
    assert headers.if_match(request(If_Match=value)) == expected


@pytest.mark.parametrize("value", ["1-1", "", '"1-1" "1-2"', '"'])
def test_if_match_that_is_no_list_of_tags_is_refused(value: str) -> None:
    with pytest.raises(ProblemError):
        headers.if_match(request(If_Match=value))


@pytest.mark.parametrize("value", ["x", "-1", "", "9" * 30])
def test_read_after_that_is_no_write_id_is_refused(value: str) -> None:
    with pytest.raises(ProblemError):
        headers.read_after(request(Read_After=value))
