"""A write's status is for who asked for it and for who may view receipts, and for nobody else."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.test import APIClient

from workers import submit
from workers.models import Receipt
from workers.writer.loop import Writer


def user(name: str, *permissions: str, **flags: bool) -> User:
    made = User.objects.create_user(name, **flags)  # type: ignore[arg-type]
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return made


def status(of: int, asked_by: User | None) -> Any:
    client = APIClient()
    client.force_authenticate(asked_by)
    return client.get(f"/api/writes/{of}/")


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_write_is_shown_to_who_asked_and_to_who_may_view_receipts(
    writer: Writer, is_committed: bool
) -> None:
    owner, other, staff = user("owner"), user("other"), user("staff", is_staff=True)
    clerk, root = user("clerk", "view_receipt", is_staff=True), user("root", is_superuser=True)
    gone = user("gone", "view_receipt", is_active=False)
    write_id = submit(
        "items.create", {"data": {"name": "secret"}}, principal=str(owner.pk), announced=False
    ).accepted()
    if is_committed:
        writer.drain()

    answers = {
        asking.username: status(write_id, asking) for asking in (owner, other, staff, clerk, root, gone)
    }

    shown = {name for name, answer in answers.items() if answer.status_code == 200}
    hidden = [answer for answer in answers.values() if answer.status_code != 200]
    assert shown == {"owner", "clerk", "root"}
    assert {answer.status_code for answer in hidden} == {404}
    assert all(b"secret" not in answer.content for answer in hidden)
    assert status(write_id, None).status_code == 401


def test_the_arguments_of_a_failed_write_are_neither_shown_nor_searched_in_the_admin(writer: Writer) -> None:
    clerk = user("clerk", "view_receipt", is_staff=True)
    write_id = submit("jottings.add_then_raise", {"text": "pbkdf2$x"}, principal="1").accepted()
    writer.drain()
    assert "pbkdf2$x" in Receipt.objects.get(write_id=write_id).arguments
    client = Client()
    client.force_login(clerk)

    page = client.get(f"/admin/workers/receipt/{write_id}/change/")
    searches = [
        client.get("/admin/workers/receipt/", {name: "pbkdf2"})
        for name in ("arguments__contains", "arguments__startswith", "arguments", "arguments__regex")
    ]

    assert page.status_code == 200
    assert b"pbkdf2" not in page.content
    assert [answer.status_code for answer in searches] == [400] * 4


def add(asked_by: User, text: str, **headers: str) -> Any:
    client = APIClient()
    client.force_authenticate(asked_by)
    return client.post("/api/jottings/", {"text": text}, headers={"Prefer": "respond-async", **headers})


def test_a_key_is_its_users_own(writer: Writer) -> None:
    """The same key and body of two users are two writes, and neither is shown the other's response."""
    owner, other = user("owner"), user("other")
    first, foreign = (add(one, "secret", Idempotency_Key="one") for one in (owner, other))
    writer.drain()

    again = add(owner, "secret", Idempotency_Key="one")
    other_body = add(other, "another", Idempotency_Key="one")

    assert [first.status_code, foreign.status_code] == [202, 202]
    assert first["Write-Id"] != foreign["Write-Id"]
    assert (again.status_code, again["Write-Id"]) == (201, first["Write-Id"])
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    assert status(int(first["Write-Id"]), other).status_code == 404


def test_read_after_does_not_tell_what_became_of_a_write_of_somebody_else(writer: Writer) -> None:
    owner, other = user("owner"), user("other")
    done = add(owner, "secret")
    asked_by = str(owner.pk)
    failed = submit("jottings.add_then_raise", {"text": "b"}, principal=asked_by, announced=False).accepted()
    writer.drain()
    client = APIClient()
    client.force_authenticate(other)

    shown = [
        client.get("/api/jottings/9/", headers={"Read-After": str(of)}) for of in (done["Write-Id"], failed)
    ]

    assert [(response.status_code, response.json()) for response in shown] == [
        (404, shown[0].json()),
        (404, shown[0].json()),
    ]


def test_there_is_no_list_of_writes(db: None) -> None:
    client = APIClient()
    client.force_authenticate(user("root", is_superuser=True))

    assert client.get("/api/writes/").status_code == 404
