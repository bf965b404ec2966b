"""The receipts and the waiting writes in the admin, as people see them."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.test import Client, override_settings
from django.utils import timezone

from items.models import Item
from tests.answering import Answered
from tests.chosen_keys import create_with_key
from tests.holding import store_held_by_another
from tests.jottings.write_functions import texts
from tests.notebooks.models import Tag
from tests.workers.submitting import accepted
from workers import RoleMayNotWrite, submit
from workers.models import Receipt
from workers.operations import retries
from workers.operations.waiting import waiting
from workers.stream import keys
from workers.writer.loop import Writer

MOMENT = datetime(2026, 11, 23, 1, 8, 38, 583_011, tzinfo=UTC)
LIST, WAITING = "/admin/workers/receipt/", "/admin/workers/receipt/waiting/"
RETRY = {"action": "retry", "select_across": "0"}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("someone")


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


Clerk = Callable[..., Client]


@pytest.fixture
def clerk() -> Clerk:
    """Makes somebody who may do what is named, and nothing else."""

    def make(*permissions: str) -> Client:
        user = User.objects.create_user("clerk", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return make


def receipt(number: int = 0, **fields: Any) -> Receipt:
    values: dict[str, Any] = {
        "function": "items.create",
        "status": "committed",
        "http_status": 201,
        "body": "{}",
    }
    made: Receipt = Receipt.objects.create(
        write_id=int(MOMENT.timestamp() * 1_000_000) + number,
        token=uuid.uuid4(),
        committed_at=MOMENT,
        **(values | fields),
    )
    return made


def failed(number: int = 0, **fields: Any) -> Receipt:
    values = {
        "status": "failed",
        "http_status": 500,
        "body": '{"code": "write_failed", "detail": "It broke."}',
    }
    return receipt(
        number, **({"function": "jottings.add", "arguments": '{"data": {"text": "again"}}'} | values | fields)
    )


def shown(client: Client, **query: str) -> list[int]:
    """Return the ids in the list of receipts."""
    text = client.get(LIST, query).text
    return [int(write_id) for write_id in re.findall(r'name="_selected_action" value="(\d+)"', text)]


def detail(one: Receipt) -> str:
    return f"{LIST}{one.pk}/change/"


@pytest.mark.parametrize("page", ["", "{}/change/"], ids=["list", "one receipt"])
def test_all_times_have_one_form(client: Client, page: str) -> None:
    text = client.get(LIST + page.format(receipt().pk)).text

    assert re.findall(r">\s*(2026-[^<]*?|Nov[^<]*?)\s*<", text) == ["2026-11-23 01:08:38"]


@pytest.mark.parametrize("page", ["", "{}/change/"], ids=["list", "one receipt"])
def test_how_long_an_outcome_took_is_told_of_a_failed_write_too(client: Client, page: str) -> None:
    one = failed(-12_000)
    text = client.get(LIST + page.format(one.pk)).text

    assert re.search(r">\s*12 ms\s*<", text)
    assert "ommitted at" not in text


@pytest.mark.parametrize("page", [LIST, WAITING])
def test_the_lists_have_the_style_that_makes_them_fit(client: Client, page: str) -> None:
    [style] = re.findall(r'href="/static/(workers/[^"]+)"', client.get(page).text)

    assert finders.find(style)


def test_outcome_and_accepted_sort_the_list(client: Client) -> None:
    receipt()

    assert [shown(client, o=str(column)) != [] for column in (3, -3, 6, -6)] == [True] * 4


def test_receipts_are_read_only(client: Client) -> None:
    one = receipt()

    assert 'name="_save"' not in client.get(detail(one)).text
    for path in ("add/", f"{one.pk}/delete/"):
        assert client.get(LIST + path).status_code == 403
    assert client.post(detail(one), {"function": "x"}).status_code == 403
    assert "delete_selected" not in client.get(LIST).text


def test_a_receipt_leads_to_the_object_that_its_write_concerned(client: Client) -> None:
    item = Item.objects.create(name="a")
    created = receipt(0, key=str(item.pk))
    changed = receipt(1, function="items.update", http_status=200, body=f'{{"id": {item.pk}}}')
    link = f'<a href="/admin/items/item/{item.pk}/change/">item {item.pk}</a>'

    assert client.get(LIST).text.count(link) == 2
    assert link in client.get(detail(created)).text
    assert link in client.get(detail(changed)).text


def test_a_receipt_of_a_views_own_write_leads_to_the_object_too(client: Client) -> None:
    tag = Tag.objects.create(name="a")
    receipt(0, function="tests.notebooks.views:TagViewSet.create", key=str(tag.pk))
    receipt(1, function="tests.notebooks.views:TagViewSet.update", body=f'{{"id": {tag.pk}}}')

    assert client.get(LIST).text.count(f">tag {tag.pk}</td>") == 2  # the admin does not show tags


def test_what_was_deleted_since_is_named_and_not_linked(client: Client) -> None:
    receipt(function="items.delete", http_status=204, body="null", key="7")

    text = client.get(LIST).text

    assert "item 7 (deleted)" in text
    assert "/admin/items/item/7/" not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"function": "items.transact", "body": '{"id": 1}'},
        {"function": "items.update", "status": "rejected", "http_status": 412, "body": '{"id": 1}'},
        {"function": "gone.with.its.app", "key": "1"},
        {"function": "items.create", "key": "no key"},
        {"function": "tests.notebooks.views:NotebookViewSet.create", "key": "1"},  # a slug
        {"function": "items.create", "key": "9" * 30},
        {"function": "items.create", "body": '{"id": {}}'},
        {"function": "items.create", "body": "[1]"},
        {"function": ""},
    ],
)
def test_a_receipt_without_one_object_leads_nowhere(client: Client, fields: dict[str, Any]) -> None:
    create_with_key(Item, 1, name="a")
    one = receipt(**fields)

    for path in (LIST, detail(one)):
        response = client.get(path)
        assert response.status_code == 200
        assert "/admin/items/item/1/" not in response.text


def test_who_may_not_see_the_object_is_not_led_to_it(clerk: Clerk) -> None:
    item = Item.objects.create(name="a")
    receipt(key=str(item.pk))
    client = clerk("view_receipt")

    assert f"item {item.pk}" in client.get(LIST).text
    assert "/admin/items/item/" not in client.get(LIST).text


def test_the_links_of_a_page_cost_the_same_for_many_receipts(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    user = User.objects.create_user("asker")
    for number in range(50):
        receipt(number, key=str(Item.objects.create(name="a").pk), principal=str(user.pk))

    with django_assert_max_num_queries(9):
        assert client.get(LIST).text.count("?principal=") >= 50


def test_the_list_is_narrowed_by_outcome_function_user_and_time(client: Client, user: User) -> None:
    old = receipt(0, principal=str(user.pk))
    other = failed(1, principal="999")
    recent = Receipt.objects.create(
        **{field: getattr(old, field) for field in ("function", "status", "http_status", "body")},
        write_id=int(timezone.now().timestamp() * 1e6),
        token=uuid.uuid4(),
        committed_at=timezone.now(),
    )

    assert shown(client) == [recent.pk, other.pk, old.pk]
    assert shown(client, status__exact="failed") == [other.pk]
    assert shown(client, function="jottings.add") == [other.pk]
    assert shown(client, principal=str(user.pk)) == [old.pk]
    assert shown(client, principal="999") == [other.pk]
    assert shown(client, principal="-") == [recent.pk]
    assert shown(client, accepted="hour") == [recent.pk]
    assert shown(client, accepted="nonsense") == [recent.pk, other.pk, old.pk]
    assert shown(client, q="someone") == [old.pk]
    assert shown(client, q=str(other.pk)) == [other.pk]
    assert shown(client, q="nobody known") == []


def test_the_filters_name_users_where_there_are_few_and_who_is_asked_for(client: Client, user: User) -> None:
    receipt()
    for number in range(25):
        User.objects.create(username=f"user{number}")
    last = User.objects.get(username="user24")

    text = client.get(LIST).text
    asked = client.get(LIST, {"principal": str(last.pk), "function": "of.a.former.version"}).text

    assert ">someone<" in text
    assert "user24" not in text
    assert "user24" in asked
    assert "of.a.former.version" in asked


def test_failed_writes_are_tried_again_from_the_list(
    client: Client, writer: Writer, answered: Answered
) -> None:
    one, other = failed(0), failed(1, function="jottings.add_then_raise", arguments='{"text": "again"}')
    done = receipt(2)
    selected = RETRY | {"_selected_action": [str(each.pk) for each in (one, other, done)]}

    text = answered(lambda: client.post(LIST, selected, follow=True)).text

    assert re.search(rf"Write {one.pk} was tried again: committed as \d+, status 201\.", text)
    assert re.search(rf"Write {other.pk} was tried again: failed again as \d+, status 500\. The write", text)
    assert f"Write {done.pk} was not tried again: it is not failed but committed." in text
    assert texts() == ["again"]
    retried = Receipt.objects.get(retry_of=one.pk)
    assert f'href="/admin/workers/receipt/{retried.pk}/change/"' in client.get(detail(one)).text
    assert f'href="/admin/workers/receipt/{one.pk}/change/"' in client.get(detail(retried)).text
    assert "Tried again" in client.get(f"{LIST}{one.pk}/history/").text
    again = answered(lambda: client.post(LIST, selected, follow=True)).text
    assert f"it was retried already, and committed as {retried.pk}" in again
    assert texts() == ["again"]


def test_a_retry_that_no_writer_takes_waits(client: Client, writer: Writer) -> None:
    one = failed()

    with override_settings(WRITE_WAIT_SECONDS=0.0):
        text = client.post(LIST, RETRY | {"_selected_action": [str(one.pk)]}, follow=True).text

    assert "waits as" in text
    assert len(waiting(count=10)) == 1


def test_no_more_are_tried_again_than_share_a_batch(client: Client, writer: Writer) -> None:
    keys = [str(failed(number).pk) for number in range(retries.AT_ONCE + 1)]

    text = client.post(LIST, RETRY | {"_selected_action": keys, "select_across": "1"}, follow=True).text

    assert "Nothing was tried: select 100 at most" in text
    assert waiting(count=10) == []


def test_who_may_only_look_neither_tries_again_nor_cancels(clerk: Clerk, writer: Writer) -> None:
    one, client, write_id = failed(), clerk("view_receipt"), accepted("a")

    client.post(LIST, RETRY | {"_selected_action": [str(one.pk)]})
    cancelled = client.post(WAITING, {"write": str(write_id)})

    assert "Try failed writes again" not in client.get(LIST).text
    assert "Cancel selected" not in client.get(WAITING).text
    assert cancelled.status_code == 403
    assert [(write.write_id, write.is_cancelled) for write in waiting(count=10)] == [(write_id, False)]


def test_who_may_not_look_does_not(clerk: Clerk) -> None:
    client = clerk("retry_write", "cancel_write")

    assert [client.get(path).status_code for path in (LIST, WAITING)] == [403, 403]
    assert client.post(WAITING, {"write": "1"}).status_code == 403


def test_waiting_writes_are_shown_and_cancelled(client: Client, user: User, writer: Writer) -> None:
    mine = submit(
        "jottings.add", {"data": {"text": "secret"}}, principal=str(user.pk), announced=False
    ).accepted()
    other = accepted("b")

    page = client.get(WAITING).text
    assert page.index(str(mine)) < page.index(str(other))
    assert "2 accepted writes wait to be committed" in page
    assert "someone" in page
    assert "secret" not in page
    assert "What waits is committed once a writer works." in page

    after = client.post(WAITING, {"write": [str(mine), "7"]}, follow=True).text
    assert "1 write cancelled: rejected, with a receipt" in after
    assert "1 write not cancelled: nothing waits" in after
    assert re.search(r"<td>cancelled</td>", after)
    writer.drain()

    assert texts() == ["b"]
    assert Receipt.objects.get(pk=mine).json()["code"] == "cancelled"
    assert LogEntry.objects.get().object_id == str(mine)
    assert "Cancelled while it waited" in client.get(f"{LIST}{mine}/history/").text
    assert "No write waits" in client.get(WAITING).text


def test_a_write_is_cancelled_also_where_this_process_may_not_write_the_store(
    client: Client, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_id = accepted("a")

    def refuse(*_: object, **__: object) -> None:
        raise RoleMayNotWrite

    monkeypatch.setattr(LogEntry.objects, "log_actions", refuse)
    response = client.post(WAITING, {"write": [write_id]})

    assert response.status_code == 302
    writer.drain()
    assert texts() == []


@pytest.mark.sqlite  # it locks the file
def test_a_write_is_cancelled_also_while_the_store_cannot_be_written(client: Client, writer: Writer) -> None:
    write_id = accepted("a")

    with store_held_by_another():
        response = client.post(WAITING, {"write": [write_id]})

    assert response.status_code == 302
    assert "The history does not tell it: the store cannot be written now." in client.get(WAITING).text
    writer.drain()
    assert texts() == []


@pytest.mark.parametrize("sent", [[], ["x"], ["-1"], ["9" * 30], ["\u0663"]])
def test_nothing_is_cancelled_where_nothing_is_selected(
    client: Client, writer: Writer, sent: list[str]
) -> None:
    accepted("a")

    text = client.post(WAITING, {"write": sent}, follow=True).text

    assert "Select the writes that are to be cancelled" in text
    assert not waiting(count=10)[0].is_cancelled


def test_more_waiting_writes_than_fit_a_page_are_paged(client: Client, writer: Writer) -> None:
    ids = [accepted("a") for _ in range(51)]

    first = client.get(WAITING).text
    [following] = re.findall(r'href="\?after=(\d+)"', first)
    second = client.get(WAITING, {"after": following}).text

    assert following == str(ids[49])
    assert f'value="{ids[50]}"' not in first
    assert f'value="{ids[50]}"' in second
    assert "?after=" not in second
    assert client.get(WAITING, {"after": "nonsense"}).status_code == 200


def test_another_stores_writes_are_not_shown(
    client: Client, writer: Writer, clean_redis: redis.Redis
) -> None:
    write_id = accepted("a")
    clean_redis.hset(keys.owner(), mapping={"store": "another", "path": "/elsewhere", "host": "another"})

    assert "belongs to another store" in client.get(WAITING).text
    assert "Not cancelled." in client.post(WAITING, {"write": str(write_id)}, follow=True).text
