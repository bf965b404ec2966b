"""Writes that are applied as they are submitted: told apart from the real way by nothing that a test sees."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from rest_framework.test import APIClient

from tests.answering import answering
from tests.jottings.models import Jotting, Measurement
from tests.jottings.write_functions import texts
from workers import Outcome, submit
from workers.models import Receipt
from workers.testing import held_writes
from workers.testing.at_once import SETTING
from workers.writer.loop import Writer


@dataclass(frozen=True)
class Way:
    """A way in which writes are committed."""

    ask: Callable[[Callable[[], Any]], Any]
    """Makes a request, or waits for a write, while writes are committed."""
    held: Callable[[], AbstractContextManager[None]]
    """Has writes wait while its block runs."""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the response to this request."""
        client = APIClient(raise_request_exception=False)
        client.force_authenticate(User(pk=1, is_active=True))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(lambda: getattr(client, method)(path, body, format="json", headers=named))

    def outcome(self, function: str, **arguments: Any) -> Outcome:
        """Return the outcome of this write."""
        found: Outcome = self.ask(lambda: submit(function, arguments).wait(10))
        return found


COMMITS, ROLLS_BACK = pytest.mark.django_db(transaction=True), pytest.mark.django_db(transaction=False)


@pytest.fixture(
    params=[
        pytest.param("stream", marks=COMMITS, id="through the stream"),
        pytest.param("at once", marks=COMMITS, id="at once"),
        pytest.param("at once", marks=ROLLS_BACK, id="at once in a TestCase"),
    ]
)
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    if request.param == "stream":
        writer: Writer = request.getfixturevalue("writer")
        client = request.getfixturevalue("clean_redis")

        @contextmanager
        def held() -> Iterator[None]:
            yield
            writer.drain()

        # The writer is said to be at work from the first question on.
        yield Way(lambda ask: answering(writer, client)(ask), held)
    else:
        with override_settings(**SETTING):
            yield Way(lambda ask: ask(), held_writes)


def add(way: Way, text: str, **headers: str) -> Any:
    return way.send("post", "/api/jottings/", {"text": text}, **headers)


def test_a_create_gets_201_with_its_object_and_leaves_a_receipt(way: Way) -> None:
    response = add(way, "a")

    [jotting] = Jotting.objects.all()
    assert (response.status_code, response.json()) == (201, {"id": jotting.pk, "text": "a"})
    assert response["Location"] == f"/api/jottings/{jotting.pk}/"
    receipt = Receipt.objects.get()
    assert (response["Write-Id"], receipt.function) == (str(receipt.write_id), "jottings.add")
    assert (receipt.principal, receipt.status, receipt.http_status) == ("1", "committed", 201)


def test_a_rejected_write_is_undone_and_says_why(way: Way) -> None:
    outcome = way.outcome("jottings.add_then_reject", text="a")

    assert (outcome.status, outcome.http_status) == ("rejected", 409)
    assert outcome.json() == {
        "code": "no_thanks",
        "detail": "Changed my mind.",
        "fields": {"text": ["Not this one."]},
    }
    assert texts() == []
    assert Receipt.objects.get().status == "rejected"


def test_a_write_whose_function_raises_is_undone_and_keeps_its_traceback(way: Way) -> None:
    outcome = way.outcome("jottings.add_then_raise", text="a")

    assert (outcome.status, outcome.http_status, outcome.json()["code"]) == ("failed", 500, "write_failed")
    assert texts() == []
    receipt = Receipt.objects.get()
    assert "ZeroDivisionError: on purpose" in receipt.traceback
    assert receipt.arguments == '{"text":"a"}'


def test_what_only_commit_would_refuse_is_a_conflict(way: Way) -> None:
    outcome = way.outcome("jottings.add_to_missing_topic")

    assert (outcome.status, outcome.http_status, outcome.json()) == (
        "rejected",
        409,
        {
            "code": "conflict",
            "detail": "The change conflicts with what is stored. It refers to something that does not exist, "
            "or something refers to it.",
        },
    )
    assert Jotting.objects.count() == 0


def test_a_function_that_catches_an_error_of_the_store_fails_alone(way: Way) -> None:
    outcome = way.outcome("jottings.catch_conflict")
    neighbour = way.outcome("jottings.add", data={"text": "a"})

    assert (outcome.status, neighbour.status) == ("failed", "committed")
    assert texts() == ["a"]


def test_a_conflict_names_its_field(way: Way) -> None:
    first = way.send("post", "/api/measurements/", {"label": "a"})
    second = way.send("post", "/api/measurements/", {"label": "a"})

    assert (first.status_code, second.status_code) == (201, 409)
    assert list(second.json()["fields"]) == ["label"]


def test_updates_and_deletes_find_their_object_and_check_its_version(way: Way) -> None:
    path = way.send("post", "/api/measurements/", {"label": "a"})["Location"]
    tag = way.send("get", path)["ETag"]

    changed = way.send("patch", path, {"count": 2}, If_Match=tag)
    stale = way.send("patch", path, {"count": 3}, If_Match=tag)
    gone = way.send("delete", path)
    again = way.send("delete", path)

    assert (changed.status_code, changed.json()["count"]) == (200, 2)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (gone.status_code, again.status_code) == (204, 404)
    assert not Measurement.objects.exists()


def test_what_the_serializer_refuses_is_never_submitted(way: Way) -> None:
    response = add(way, "")

    assert (response.status_code, list(response.json()["fields"])) == (400, ["text"])
    assert not Receipt.objects.exists()


def test_a_repeat_with_its_key_gets_the_first_response_and_another_request_422(way: Way) -> None:
    first, again = add(way, "a", Idempotency_Key="k"), add(way, "a", Idempotency_Key="k")
    other = add(way, "b", Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json(), first["Write-Id"]) == (again.json(), again["Write-Id"])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert texts() == ["a"]


def test_who_does_not_wait_gets_202_and_reads_after_the_write_what_became_of_it(way: Way) -> None:
    accepted = add(way, "a", Prefer="respond-async")
    listed = way.send("get", "/api/jottings/", Read_After=accepted["Write-Id"])
    status = way.send("get", accepted["Location"])

    assert (accepted.status_code, accepted.json()["status"]) == (202, "queued")
    assert [one["text"] for one in listed.json()] == ["a"]
    assert (status.status_code, status.json()["status"]) == (200, "committed")
    assert status.json()["result"]["text"] == "a"


def test_reading_after_a_write_that_never_was_is_refused(way: Way) -> None:
    accepted = add(way, "a")

    response = way.send("get", "/api/jottings/", Read_After=str(int(accepted["Write-Id"]) + 10**9))

    assert (response.status_code, response.json()["code"]) == (400, "invalid_header")


def test_while_writes_wait_their_status_is_queued_and_a_repeat_is_told_to_come_later(way: Way) -> None:
    client = APIClient()
    client.force_authenticate(User(pk=1, is_active=True))

    def send(text: str, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post("/api/jottings/", {"text": text}, headers=named)

    with way.held():
        first = send("a", Idempotency_Key="k")
        repeat = send("a", Idempotency_Key="k")
        hasty = send("a", Idempotency_Key="k", Prefer="respond-async")
        other = send("b", Idempotency_Key="k")
        last = send("c")
        status = client.get(first["Location"])
        with override_settings(WRITE_WAIT_SECONDS=0):
            read = client.get("/api/jottings/", headers={"Read-After": first["Write-Id"]})
        assert texts() == []

    assert [one.status_code for one in (first, repeat, hasty, other, last)] == [202, 409, 409, 422, 202]
    assert [one.json()["code"] for one in (repeat, hasty)] == ["idempotency_key_in_progress"] * 2
    assert repeat["Location"] == hasty["Location"] == first["Location"]
    assert (status.json()["status"], read.status_code) == ("queued", 503)
    assert texts() == ["a", "c"]
    assert client.get(first["Location"]).json()["status"] == "committed"
    assert send("a", Idempotency_Key="k").json()["text"] == "a"
    assert Receipt.objects.count() == 2


def test_waiting_writes_are_dropped_when_the_test_fails_and_are_held_once(db: None) -> None:
    with pytest.raises(ZeroDivisionError), held_writes():
        with pytest.raises(RuntimeError, match="held already"), held_writes():
            pass
        submit("jottings.add", {"data": {"text": "a"}})
        raise ZeroDivisionError

    with held_writes():
        pass
    assert texts() == []
