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
