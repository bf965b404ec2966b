"""What a GET reads from a replica, what from the store, and what becomes of it when the replica is away.

The replica is one more connection to the same database.
"""

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import OperationalError, connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory, force_authenticate

from tests.jottings.models import Jotting, Topic
from tests.jottings.views import JottingViewSet
from tests.workers.submitting import accepted
from workers.store import identity, replica
from workers.store.roles import Role, current_role, set_role
from workers.stream import keys
from workers.submission.client import stream_submitter
from workers.submission.read_after import Progress
from workers.writer.loop import Writer

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", replica.ALIAS])


@pytest.fixture(scope="module", autouse=True)
def _named(django_db_setup: None) -> Iterator[None]:
    """Name the replica, before Django looks which databases a test may use."""
    named = copy.deepcopy(connections["default"].settings_dict)
    connections.settings[replica.ALIAS] = {**named, "TEST": {**named["TEST"], "MIRROR": "default"}}
    yield
    del connections.settings[replica.ALIAS]


@pytest.fixture(autouse=True)
def _in_use(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(replica, "_presence", replica._Presence())
    role = current_role()
    yield
    set_role(role)
    connections.close_all()
    del connections[replica.ALIAS]


class TopicsOfTheirOwn(DjangoModelPermissions):
    """Looks at what belongs to the object."""

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        return bool(obj.topic.name != "secret")


class View(JottingViewSet):
    permission_classes = [TopicsOfTheirOwn]


def get(pk: int | None = None) -> tuple[Any, list[str]]:
    """Return the response to an operator, and the statements that the replica had."""
    user = User.objects.get_or_create(username="ada", is_superuser=True)[0]
    request = APIRequestFactory().get("/")
    force_authenticate(request, User.objects.get(pk=user.pk))
    actions: dict[str, Any] = {"get": "list" if pk is None else "retrieve"}
    set_role(Role.WEB)
    try:
        with CaptureQueriesContext(connections[replica.ALIAS]) as captured:
            response = View.as_view(actions)(request, **({} if pk is None else {"pk": str(pk)}))
    finally:
        set_role(Role.COMMAND)
    statements = [str(query["sql"]) for query in captured]
    return response, [sql for sql in statements if "identity" not in sql]


def add(topic: str) -> Jotting:
    return Jotting.objects.create(topic=Topic.objects.create(name=topic), text="a")


def test_rows_come_from_the_replica_and_what_decides_on_them_from_the_store() -> None:
    pk = add("open").pk

    listed, read_for_list = get()
    shown, read_for_one = get(pk)

    assert [row["id"] for row in listed.data] == [shown.data["id"]] == [pk]
    assert len(read_for_list) == len(read_for_one) == 1
    assert "jottings_jotting" in read_for_list[0] and "jottings_jotting" in read_for_one[0]


def test_an_object_is_judged_by_what_the_store_says_of_it() -> None:
    refused, read = get(add("secret").pk)

    assert refused.status_code == 403
    assert not any("jottings_topic" in sql for sql in read)


def test_a_view_that_names_its_database_reads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pk = add("open").pk
    monkeypatch.setattr(View, "queryset", Jotting.objects.using("default"))

    shown, read = get(pk)

    assert (shown.status_code, read) == (200, [])


def test_only_web_processes_read_from_it() -> None:
    assert replica.alias_for_reading() == "default"
    set_role(Role.WRITER)
    assert replica.alias_for_reading() == "default"
    set_role(Role.WEB)
    assert replica.alias_for_reading() == replica.ALIAS


@override_settings(DATABASE_ROUTERS=[])
def test_a_project_with_a_database_of_this_name_switches_it_on_by_the_router() -> None:
    set_role(Role.WEB)
    assert replica.alias_for_reading() == "default"


def test_what_was_read_from_it_is_saved_in_the_store() -> None:
    add("open")
    found = Jotting.objects.using(replica.ALIAS).get()
    with CaptureQueriesContext(connections[replica.ALIAS]) as captured:
        found.text = "b"
        found.topic = Topic.objects.create(name="new")
        found.save()

    assert not captured.captured_queries
    assert Jotting.objects.get().topic.name == "new"


def test_a_read_that_fails_because_of_it_is_made_from_the_store_and_so_are_the_next_ones() -> None:
    pk = add("open").pk

    def fail(*_: Any) -> None:
        raise OperationalError("the connection is lost")

    set_role(Role.WEB)
    assert replica.alias_for_reading() == replica.ALIAS
    connections[replica.ALIAS].execute_wrappers.append(fail)
    first, _ = get(pk)
    second, read = get(pk)

    assert (first.status_code, second.status_code, read) == (200, 200, [])
    assert replica._presence.reason == "the connection is lost"


def test_an_error_of_the_request_is_not_tried_again() -> None:
    missing, read = get(4711)

    assert (missing.status_code, len(read)) == (404, 1)


def test_a_write_that_was_sent_twice_is_waited_for_by_the_receipt_of_the_first(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    accepted("a")
    writer.drain()
    # The second copy leaves the stream without a receipt of its own.
    second = int(clean_redis.incr(keys.last_write_id()))

    waited = stream_submitter().wait_until_committed(second, 1, reads_from=replica.ALIAS)

    assert waited is Progress.THROUGH


def test_another_store_is_taken_for_no_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    known = identity.current()
    monkeypatch.setattr(identity, "_current", dataclasses.replace(known, identity="0" * 32))
    set_role(Role.WEB)

    assert replica.alias_for_reading() == "default"
    assert "It holds another store" in str(replica._presence.reason)
