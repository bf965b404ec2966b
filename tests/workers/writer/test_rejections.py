"""What exceptions of write functions become, and how a conflict with the store is named."""

import math
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from typing import Any

import pytest
from django.core import exceptions as django_exceptions
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy
from rest_framework import exceptions as drf_exceptions
from rest_framework import serializers, status

from tests.jottings.models import Jotting, Measurement, Topic
from tests.jottings.write_functions import texts
from workers import Outcome, Result, Write, WriteRejected, WriteStatus, write_function
from workers.registry import _functions
from workers.rest import ProblemError
from workers.writer import commit
from workers.writes import new_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _forget_functions() -> Iterator[None]:
    known = dict(_functions)
    yield
    _functions.clear()
    _functions.update(known)


def outcome_of(act: Callable[[], Any]) -> Outcome:
    """Return the outcome of a write whose function does this, after it has added a jotting."""

    @write_function("rejections.act")
    def function(write: Write) -> Result:
        Jotting.objects.create(text="undone")
        act()
        return Result()

    write = Write(function="rejections.act", arguments={}, token=new_token(), write_id=1)
    [(_, outcome)] = commit.commit_batch([write])
    if outcome.status is not WriteStatus.COMMITTED:
        assert texts() == []
    return outcome


def raising(exc: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise exc

    return act


class TeapotError(drf_exceptions.APIException):
    status_code = status.HTTP_418_IM_A_TEAPOT
    default_detail = gettext_lazy("I am a teapot.")
    default_code = "teapot"


@pytest.mark.parametrize(
    ("exc", "status", "code", "detail"),
    [
        (Http404(), 404, "not_found", "What the write needs does not exist."),
        (Http404("No such thing."), 404, "not_found", "No such thing."),
        (Topic.DoesNotExist("No topic."), 404, "not_found", "No topic."),
        (django_exceptions.PermissionDenied(), 403, "permission_denied", "You may not do this."),
        (django_exceptions.PermissionDenied("Not yours."), 403, "permission_denied", "Not yours."),
        (django_exceptions.DisallowedRedirect("x"), 400, "bad_request", "The request is malformed."),
        (drf_exceptions.NotFound(), 404, "not_found", "Not found."),
        (drf_exceptions.PermissionDenied("Not yours."), 403, "permission_denied", "Not yours."),
        (drf_exceptions.NotAuthenticated(), 401, "not_authenticated", None),
        (drf_exceptions.Throttled(wait=3), 429, "throttled", None),
        (drf_exceptions.ParseError("Odd."), 400, "parse_error", "Odd."),
        (TeapotError(), 418, "teapot", "I am a teapot."),
        (ProblemError(428, "precondition_required", "Send it."), 428, "precondition_required", "Send it."),
    ],
    ids=lambda value: f"{type(value).__module__}.{value!r}"[:60] if isinstance(value, Exception) else "",
)
def test_exceptions_of_django_and_drf_reject_the_write_as_in_a_view(
    exc: Exception, status: int, code: str, detail: str | None
) -> None:
    outcome = outcome_of(raising(exc))

    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
        WriteStatus.REJECTED,
        status,
        code,
    )
    assert detail is None or outcome.json()["detail"] == detail


@pytest.mark.parametrize(
    ("exc", "fields"),
    [
        (django_exceptions.ValidationError("No."), {"non_field_errors": ["No."]}),
        (django_exceptions.ValidationError(["A.", "B."]), {"non_field_errors": ["A.", "B."]}),
        (django_exceptions.ValidationError({"name": ["A.", "B."]}), {"name": ["A.", "B."]}),
        (
            django_exceptions.ValidationError("%(n)s is odd.", code="odd", params={"n": 3}),
            {"non_field_errors": ["3 is odd."]},
        ),
        (django_exceptions.ValidationError({"__all__": "No."}), {"non_field_errors": ["No."]}),
        (drf_exceptions.ValidationError("No."), {"non_field_errors": ["No."]}),
        (drf_exceptions.ValidationError({"name": ["A."]}), {"name": ["A."]}),
        (serializers.ValidationError({"name": "A."}), {"name": ["A."]}),
        (drf_exceptions.ValidationError({"a": {"b": ["C."]}}), {"a": ["b: C."]}),
        (drf_exceptions.ValidationError([{}, {"b": ["C."]}]), {"non_field_errors": ["1: b: C."]}),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_not_valid_is_told_by_field(exc: Exception, fields: dict[str, list[str]]) -> None:
    outcome = outcome_of(raising(exc))

    assert (outcome.status, outcome.http_status) == (WriteStatus.REJECTED, 400)
    assert (outcome.json()["code"], outcome.json()["fields"]) == ("invalid", fields)


def test_what_a_model_finds_in_full_clean_is_told_by_field() -> None:
    outcome = outcome_of(lambda: Topic(name="x" * 51).full_clean())

    assert (outcome.http_status, list(outcome.json()["fields"])) == (400, ["name"])


@pytest.mark.parametrize(
    "act",
    [
        lambda: get_object_or_404(Topic, pk=7),
        lambda: Topic.objects.get(pk=7),
        lambda: Jotting.objects.latest("pk") and Topic.objects.earliest("pk"),
    ],
)
def test_what_is_looked_up_and_missing_is_404(act: Callable[[], Any]) -> None:
    outcome = outcome_of(act)

    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
        WriteStatus.REJECTED,
        404,
        "not_found",
    )


@pytest.mark.parametrize(
    "exc",
    [
        drf_exceptions.APIException("Broken."),
        ProblemError(503, "stream_full", "Full."),
        Topic.MultipleObjectsReturned(),
        DatabaseError("odd"),
        ValueError("odd"),
        KeyError("odd"),
        AssertionError(),
    ],
)
def test_everything_else_is_an_error_of_the_function(exc: Exception) -> None:
    outcome = outcome_of(raising(exc))

    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
        WriteStatus.FAILED,
        500,
        "write_failed",
    )


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(
            lambda: Measurement.objects.create(label="x", took=timedelta(days=106_751_992)),
            marks=pytest.mark.sqlite,  # PostgreSQL has room for it
        ),
        lambda: Measurement.objects.create(label="x", low=2**63),
        lambda: Measurement.objects.bulk_create([Measurement(label="x", low=2**64)]),
    ],
)
def test_a_number_that_the_store_cannot_hold_is_the_clients(act: Callable[[], Any]) -> None:
    outcome = outcome_of(act)

    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
        WriteStatus.REJECTED,
        400,
        "invalid",
    )


class UntellableError(drf_exceptions.APIException):
    status_code = 400
    detail = property(lambda self: 1 / 0)

    def __init__(self) -> None:
        pass

    def __str__(self) -> str:
        raise ZeroDivisionError


def test_an_exception_that_cannot_be_told_is_an_error_like_others() -> None:
    outcome = outcome_of(raising(UntellableError()))

    assert (outcome.status, outcome.json()["code"]) == (WriteStatus.FAILED, "write_failed")


@pytest.mark.parametrize("returned", [None, {"id": 1}, 201, (201, {})], ids=repr)
def test_a_function_that_returns_no_result_fails_and_the_operator_is_told(returned: Any) -> None:
    @write_function("rejections.return")
    def function(write: Write) -> Any:
        Jotting.objects.create(text="undone")
        return returned

    write = Write(function="rejections.return", arguments={}, token=new_token(), write_id=1)
    [(_, outcome)] = commit.commit_batch([write])

    assert (outcome.status, texts()) == (WriteStatus.FAILED, [])
    assert "rejections.return returned a value of the type" in outcome.traceback


def test_one_message_for_a_field_may_be_a_text() -> None:
    rejection = WriteRejected(400, "invalid", "No.", fields={"text": "Not this."})  # type: ignore[dict-item]

    assert outcome_of(raising(rejection)).json()["fields"] == {"text": ["Not this."]}


def test_an_overflow_of_the_functions_own_is_its_own_error() -> None:
    assert outcome_of(lambda: math.exp(1_000)).status is WriteStatus.FAILED


def measure(label: str, **fields: Any) -> Callable[[], Any]:
    return lambda: Measurement.objects.create(label=label, **fields)


def protected() -> None:
    topic = Topic.objects.create(name="t")
    measure("a", topic=topic)()
    topic.delete()


UNIQUE_LABEL = "Measurement with this Label already exists."
CONFLICTS: dict[str, tuple[Callable[[], Any], dict[str, list[str]] | None, str]] = {
    "a unique field": (measure("known"), {"label": [UNIQUE_LABEL]}, UNIQUE_LABEL),
    "a primary key": (
        lambda: Measurement.objects.create(pk=Measurement.objects.get().pk, label="x"),
        {"id": ["Measurement with this ID already exists."]},
        "Measurement with this ID already exists.",
    ),
    "a unique constraint with a message": (
        measure("x", place="p", day=date(2026, 1, 1)),
        {"place": ["One measurement a day and place."], "day": ["One measurement a day and place."]},
        "One measurement a day and place.",
    ),
    "a unique constraint over an expression": (
        measure("x", place="P", hour=time(1)),
        {
            "hour": ["Constraint “one_an_hour” is violated."],
            "place": ["Constraint “one_an_hour” is violated."],
        },
        "Constraint “one_an_hour” is violated.",
    ),
    "a check with a message": (
        measure("x", low=11),
        {"high": ["Low is above high."], "low": ["Low is above high."]},
        "Low is above high.",
    ),
    "a check without a name": (
        measure("x", count=-1),
        {"count": ["A value is outside what the store allows."]},
        "A value is outside what the store allows.",
    ),
    "a value that is missing": (
        measure(None),  # type: ignore[arg-type]
        {"label": ["This field cannot be null."]},
        "This field cannot be null.",
    ),
    "a protected relation": (protected, None, "referenced through protected foreign keys"),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_conflict_with_the_store_names_what_stands_in_the_way(name: str) -> None:
    act, fields, message = CONFLICTS[name]
    Measurement.objects.create(label="known", place="p", day=date(2026, 1, 1), hour=time(1))

    outcome = outcome_of(act)

    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == (
        WriteStatus.REJECTED,
        409,
        "conflict",
    )
    assert outcome.json().get("fields") == fields
    assert outcome.json()["detail"].startswith("The change conflicts with what is stored. ")
    assert message in outcome.json()["detail"]


def test_a_reference_to_nothing_is_said_to_be_one() -> None:
    outcome = outcome_of(lambda: Jotting.objects.create(text="x", topic_id=999_999))

    assert (outcome.http_status, outcome.json()["code"]) == (409, "conflict")
    assert "refers to something that does not exist" in outcome.json()["detail"]


NO_SPAM = {
    "sqlite": [
        "CREATE TRIGGER no_spam BEFORE INSERT ON jottings_topic WHEN NEW.name = 'spam' "
        "BEGIN SELECT RAISE(ABORT, 'Spam is not taken.'); END"
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION no_spam() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'Spam is not taken.'; END $$",
        "CREATE TRIGGER no_spam BEFORE INSERT ON jottings_topic FOR EACH ROW WHEN (NEW.name = 'spam') "
        "EXECUTE FUNCTION no_spam()",
    ],
}


def test_what_a_trigger_says_is_told() -> None:
    with connection.cursor() as cursor:
        for statement in NO_SPAM[connection.vendor]:
            cursor.execute(statement)
    try:
        outcome = outcome_of(lambda: Topic.objects.create(name="spam"))
    finally:
        with connection.cursor() as cursor:
            on = " ON jottings_topic" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER no_spam{on}")

    detail = "The change conflicts with what is stored. Spam is not taken."
    assert (outcome.http_status, outcome.json()) == (409, {"code": "conflict", "detail": detail})


def test_a_conflict_outside_of_any_model_is_told_without_fields() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE foreign_table (a INTEGER UNIQUE)")
    try:
        outcome = outcome_of(
            lambda: connection.cursor().executemany("INSERT INTO foreign_table VALUES (%s)", [[1], [1]])
        )
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE foreign_table")

    assert (outcome.http_status, outcome.json()) == (
        409,
        {"code": "conflict", "detail": "The change conflicts with what is stored."},
    )


def test_a_function_may_catch_a_conflict_within_a_block_of_its_own() -> None:
    Topic.objects.create(name="known")

    def act() -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            Topic.objects.create(name="known")
        Topic.objects.filter(name="known").update(name=Now())

    assert outcome_of(act).status is WriteStatus.COMMITTED
