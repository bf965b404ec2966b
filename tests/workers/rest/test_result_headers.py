"""ETag and Location of a write's response: told by its result, and by its receipt to a repeat."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.answering import Answered
from tests.people import superuser
from workers import Outcome
from workers.models import Receipt

BODY = {"name": "first item"}


def post(**headers: str) -> Callable[[], Any]:
    client = APIClient()
    client.force_authenticate(superuser())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: client.post("/api/items/", BODY, format="json", headers=named)


def test_a_repeat_gets_the_headers_of_the_first_response(answered: Answered) -> None:
    first, again = (answered(post(idempotency_key="one")) for _ in range(2))

    assert first.status_code == again.status_code == 201
    assert first["Location"].startswith("/api/items/") and first["ETag"]
    assert (again["Location"], again["ETag"]) == (first["Location"], first["ETag"])
    assert again.content == first.content


def test_a_receipt_of_a_former_version_gives_the_same_headers(answered: Answered) -> None:
    first = answered(post(idempotency_key="one"))
    Receipt.objects.update(etag=None, key=None)

    again = answered(post(idempotency_key="one"))

    assert (again["Location"], again["ETag"]) == (first["Location"], first["ETag"])


def test_what_the_result_tells_is_not_looked_up_in_its_body(
    answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(outcome: Outcome) -> Any:
        raise AssertionError("parsed")

    monkeypatch.setattr(Outcome, "json", refuse)

    response = answered(post())

    assert response.status_code == 201
    assert response["Location"].startswith("/api/items/")
    assert response["ETag"]
