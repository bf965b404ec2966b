"""Models of an app over HTTP, whose views name no write function: a writer of its own process applies."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from signal import SIGKILL
from typing import Any

import pytest

from tests.e2e.service import Answer, Service
from tests.waiting import until

NOTES, TAGS = "/api/notes/", "/api/tags/"


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    service = make_service(DJANGO_SETTINGS_MODULE="tests.settings")
    service.manage("migrate", "--verbosity", "0")
    service.start_all()
    return service


def settled(service: Service, answer: Answer) -> dict[str, Any]:
    def ask() -> dict[str, Any] | None:
        status: dict[str, Any] = service.get(f"/api/writes/{answer.headers['Write-Id']}/").json()
        return status if status["status"] != "queued" else None

    return until(ask) or {}


def test_writes_to_own_models_are_applied_once_and_in_order_when_the_writer_is_killed(
    service: Service,
) -> None:
    service.signal("writer", SIGKILL)
    service.processes.pop("writer").wait(10)
    later = {"Prefer": "respond-async"}
    accepted = [
        service.post(TAGS, {"name": name}, headers=later | {"Idempotency-Key": key})
        for name, key in (("x", "1"), ("y", "2"), ("x", "3"))
    ]
    note = service.post(NOTES, {"text": "a", "tags": [], "lines": [{"text": "one"}]}, headers=later)
    assert {answer.status for answer in (*accepted, note)} == {202}

    service.start("writer")

    assert [settled(service, answer)["http_status"] for answer in accepted] == [201, 201, 409]
    shown = settled(service, note)["result"]
    assert service.get(f"{NOTES}{shown['id']}/").json() == shown
    assert service.rows("SELECT name FROM notebooks_tag ORDER BY id") == [("x",), ("y",)]
    assert service.rows(
        "SELECT n.text, l.text, u.username FROM notebooks_note n JOIN notebooks_line l ON l.note_id = n.id"
        " JOIN auth_user u ON u.id = n.owner_id"
    ) == [("a", "one", "demo")]


def test_of_many_creates_of_one_name_at_once_one_wins_and_the_others_are_told_the_field(
    service: Service,
) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: service.post(TAGS, {"name": "same"}), range(12)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 11
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.json()["fields"] == {"name": ["Tag with this Name already exists."]}
    assert service.rows("SELECT name FROM notebooks_tag") == [("same",)]


@pytest.mark.parametrize("outside", ["lock", "refuse"])
def test_with_atomic_requests_writes_and_reads_after_them_wait_for_the_writer(
    make_service: Callable[..., Service], outside: str
) -> None:
    service = make_service(
        DJANGO_SETTINGS_MODULE="tests.notebooks.atomic_settings", WRITE_OUTSIDE_WRITER=outside
    )
    service.manage("migrate", "--verbosity", "0")
    service.start_all()

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda n: service.post(TAGS, {"name": f"t{n}"}), range(40)))
    assert {answer.status for answer in created} == {201}
    later = service.post(TAGS, {"name": "last"}, headers={"Prefer": "respond-async"})
    shown = service.get(f"{TAGS}?limit=100", headers={"Read-After": later.headers["Write-Id"]})

    assert (later.status, shown.status) == (202, 200)
    assert "last" in shown.body.decode()
    assert service.rows("SELECT count(*) FROM notebooks_tag") == [(41,)]
