"""Who may do what with items: asked before a write is accepted, and again when it is committed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from rest_framework.test import APIClient

from items.models import Item
from tests.chosen_keys import create_with_key
from workers.models import Receipt
from workers.writer.loop import Writer

LIST, BULK, TRANSACTION = "/api/items/", "/api/items/bulk/", "/api/transactions/"
ALL = {"view_item", "add_item", "change_item", "delete_item"}
EVERY_OPERATION = {
    "operations": [
        {"op": "create", "data": {"name": "b"}},
        {"op": "update", "id": 1, "data": {"name": "c"}},
        {"op": "delete", "id": 1},
    ]
}
CASES: dict[str, tuple[set[str], str, str, Any, int]] = {
    "list": ({"view_item"}, "get", LIST, None, 200),
    "retrieve": ({"view_item"}, "get", f"{LIST}1/", None, 200),
    "create": ({"add_item"}, "post", LIST, {"name": "b"}, 201),
    "replace": ({"change_item"}, "put", f"{LIST}1/", {"name": "b"}, 200),
    "change": ({"change_item"}, "patch", f"{LIST}1/", {"name": "b"}, 200),
    "delete": ({"delete_item"}, "delete", f"{LIST}1/", None, 204),
    "bulk": ({"add_item"}, "post", BULK, {"items": [{"name": "b"}, {"name": "c"}]}, 201),
    "transaction": ({"add_item", "change_item", "delete_item"}, "post", TRANSACTION, EVERY_OPERATION, 200),
}


def permitted(name: str, *codenames: str) -> User:
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def send(user: User, method: str, path: str, body: Any = None, **headers: str) -> Any:
    client = APIClient()
    # As it is read for each token: what Django keeps of permissions is as old.
    client.force_authenticate(User.objects.get(pk=user.pk))
    return getattr(client, method)(path, body, format="json", headers=headers)


@pytest.fixture
def item(db: None) -> Item:
    return create_with_key(Item, 1, name="a")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("writes_at_once", "item")
def test_each_request_needs_its_permission_and_no_other(case: str) -> None:
    needed, method, path, body, status = CASES[case]
    ada = permitted("ada", *needed)

    for lacking in needed:
        other = permitted(f"without-{lacking}", *(ALL - {lacking}))
        refused = send(other, method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        assert f"items.{lacking}" in refused.json()["detail"]
    assert not Receipt.objects.exists()  # nothing was handed over
    assert send(ada, method, path, body).status_code == status


@pytest.mark.usefixtures("writes_at_once", "item")
def test_a_superuser_and_the_member_of_a_group_may() -> None:
    group = Group.objects.create(name="clerks")
    group.permissions.set(Permission.objects.filter(codename="add_item"))
    clerk = User.objects.create_user("clerk")
    clerk.groups.add(group)

    for user in (clerk, User.objects.create_superuser("root")):
        assert send(user, "post", LIST, {"name": user.username}).status_code == 201


def take_away(user: User) -> None:
    user.user_permissions.clear()


def lock_out(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def delete(user: User) -> None:
    user.delete()


@pytest.mark.parametrize("lose", [take_away, lock_out, delete])
@pytest.mark.parametrize("case", [name for name, (_, method, *_) in CASES.items() if method != "get"])
@pytest.mark.usefixtures("item")
def test_what_was_accepted_is_not_committed_for_who_may_no_longer(
    writer: Writer, case: str, lose: Callable[[User], None]
) -> None:
    needed, method, path, body, _ = CASES[case]
    ada, bob = permitted("ada", *ALL), permitted("bob", *ALL)
    accepted = [
        send(user, method, path, body, Prefer="respond-async").status_code for user in (ada, bob, ada)
    ]
    assert accepted == [202] * 3

    lose(ada)
    writer.drain()

    first, others, last = Receipt.objects.order_by("write_id")
    for receipt in (first, last):
        assert (receipt.status, receipt.http_status) == ("rejected", 403)
        error = receipt.json()
        assert error["code"] == "permission_denied"
        assert all(f"items.{codename}" in error["detail"] for codename in needed)
    assert others.http_status < 300
    names = set(Item.objects.values_list("name", flat=True))
    assert len(names) == {"create": 2, "bulk": 3, "delete": 0}.get(case, 1)
