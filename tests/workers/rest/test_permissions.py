"""Views are asked for their permissions once more, in the writer, of the user as stored then."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.permissions import AllowAny, BasePermission, DjangoModelPermissions, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.viewsets import ModelViewSet

from tests.chosen_keys import create_with_key
from tests.notebooks.models import Tag
from tests.notebooks.views import TagSerializer
from workers.models import Receipt
from workers.rest import QueuedWritesMixin
from workers.writer.loop import Writer


class TagViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Tag.objects.order_by("id")
    serializer_class = TagSerializer
    permission_classes: list[Any] = [DjangoModelPermissions]


class HasHeader(BasePermission):
    """Needs what the writer does not have."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return "HTTP_X_KEY" in request.META


class HeaderTagViewSet(TagViewSet):
    permission_classes = [HasHeader]


class UncheckedHeaderTagViewSet(HeaderTagViewSet):
    check_permissions_in_writer = False


class OpenItemViewSet(TagViewSet):
    """Lets everybody in, to a write function that needs a permission."""

    permission_classes = [AllowAny]
    create_function = "items.create"


ROUTES = {"create": ("post", {"post": "create"}), "update": ("put", {"put": "update"})} | {
    "partial_update": ("patch", {"patch": "partial_update"}),
    "destroy": ("delete", {"delete": "destroy"}),
}
NEEDED = {
    "create": "add_tag",
    "update": "change_tag",
    "partial_update": "change_tag",
    "destroy": "delete_tag",
}


def user(name: str, *codenames: str) -> User:
    made = User.objects.create_user(name)
    made.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return made


def ask(view: Any, action: str, asked_by: User | None, body: Any = None, **headers: str) -> Response:
    """Ask for a write, and not for its outcome."""
    method, actions = ROUTES[action]
    kwargs = {} if action == "create" else {"pk": "1"}
    headers = {"Prefer": "respond-async", **headers}
    request = getattr(APIRequestFactory(), method)(
        "/", body or {"name": "new"}, format="json", headers=headers
    )
    if asked_by is not None:
        force_authenticate(request, User.objects.get(pk=asked_by.pk))
    response: Response = view.as_view(actions)(request, **kwargs)
    return response


@pytest.fixture
def tag(transactional_db: None) -> Tag:
    return create_with_key(Tag, 1, name="old")


@pytest.mark.parametrize("action", ROUTES)
def test_what_was_accepted_is_not_committed_for_who_may_no_longer(
    writer: Writer, tag: Tag, action: str
) -> None:
    ada, bob = user("ada", NEEDED[action]), user("bob", NEEDED[action])
    assert [ask(TagViewSet, action, one).status_code for one in (ada, bob)] == [202, 202]

    ada.user_permissions.clear()
    writer.drain()

    refused, done = Receipt.objects.order_by("write_id")
    assert (refused.status, refused.http_status, refused.json()["code"]) == (
        "rejected",
        403,
        "permission_denied",
    )
    assert (done.status, done.http_status) == (
        "committed",
        {"create": 201, "destroy": 204}.get(action, 200),
    )


def test_who_is_gone_when_it_is_committed_is_nobody(writer: Writer, tag: Tag) -> None:
    ada = user("ada", "add_tag")
    ask(TagViewSet, "create", ada)

    ada.delete()
    writer.drain()

    assert Receipt.objects.get().http_status == 403
    assert Tag.objects.count() == 1


class ClosedTagViewSet(TagViewSet):
    """Asks for no permission but to be somebody."""

    permission_classes = [IsAuthenticated]


def test_who_is_deactivated_when_it_is_committed_is_nobody(writer: Writer, tag: Tag) -> None:
    ada, bob = user("ada"), user("bob")
    for one in (ada, bob):
        assert ask(ClosedTagViewSet, "create", one, {"name": one.username}).status_code == 202

    User.objects.filter(pk=ada.pk).update(is_active=False)
    writer.drain()

    refused, done = Receipt.objects.order_by("write_id")
    assert (refused.http_status, refused.json()["code"]) == (403, "permission_denied")
    assert done.http_status == 201


def test_who_was_let_in_though_not_active_is_still_who_asked(writer: Writer, tag: Tag) -> None:
    ada = user("ada")
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert ask(ClosedTagViewSet, "create", ada).status_code == 202
    writer.drain()

    assert Receipt.objects.get().http_status == 201


def test_the_permissions_of_a_user_are_read_once_in_a_batch(writer: Writer, tag: Tag) -> None:
    ada = user("ada", "add_tag")
    for number in range(5):
        ask(TagViewSet, "create", ada, {"name": f"tag {number}"})

    with CaptureQueriesContext(connection) as captured:
        writer.drain()

    assert Tag.objects.count() == 6
    assert sum('FROM "auth_permission"' in query["sql"] for query in captured) == 2  # the user's, the groups'


def test_a_view_whose_permissions_need_what_the_writer_lacks_says_so(writer: Writer, tag: Tag) -> None:
    ada = user("ada")
    for view in (HeaderTagViewSet, UncheckedHeaderTagViewSet):
        assert ask(view, "create", ada, {"name": view.__name__}, X_Key="1").status_code == 202

    writer.drain()

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)) == [403, 201]


@pytest.mark.usefixtures("writes_at_once", "tag")
def test_nobody_in_particular_is_not_taken_for_the_program_itself() -> None:
    assert ask(OpenItemViewSet, "create", None).status_code == 401
    assert ask(OpenItemViewSet, "create", user("ada")).status_code == 202  # and rejected by the writer
    assert Receipt.objects.get().http_status == 403
    assert APIClient().post("/api/items/", {"name": "a"}).status_code == 401
