"""Items in Django's own admin: edits keep what write functions guarantee, and see the changes of others."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from items.models import Item

LIST, ADD = "/admin/items/item/", "/admin/items/item/add/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def item() -> Item:
    return Item.objects.create(name="a")


def page(item: Item, action: str = "change") -> str:
    return f"{LIST}{item.pk}/{action}/"


def hidden(text: str) -> dict[str, str]:
    """Return the hidden fields of the page's last form, as a browser would send them."""
    form = text.rpartition("<form")[2]
    tags = re.findall(r'<input type="hidden"[^>]*>', form)
    found = {}
    for tag in tags:
        attributes = dict(re.findall(r'(name|value)="([^"]*)"', tag))
        if attributes["name"] != "csrfmiddlewaretoken":
            found[attributes["name"]] = attributes.get("value", "")
    return found


def opened(client: Client, path: str) -> dict[str, str]:
    return hidden(client.get(path).text)


def change_by_another(item: Item, name: str = "by another") -> None:
    other = Item.objects.get(pk=item.pk)
    other.name = name
    other.save()


def test_an_item_is_added_as_a_write_function_would_create_it(admin: Client) -> None:
    before = timezone.now()

    response = admin.post(ADD, opened(admin, ADD) | {"name": "  new  "})

    assert response.status_code == 302
    item = Item.objects.get()
    assert (item.name, item.version) == ("new", 1)
    assert before <= item.created_at == item.updated_at <= timezone.now()


@pytest.mark.parametrize("name", ["", "   ", "a\tb", "a\x85b", "x" * 201])
def test_a_name_that_the_api_refuses_is_refused_with_a_message_at_its_field(admin: Client, name: str) -> None:
    response = admin.post(ADD, opened(admin, ADD) | {"name": name})

    assert response.status_code == 200
    assert response.context["errors"]
    assert list(response.context["adminform"].form.errors) == ["name"]
    assert not Item.objects.exists()


def test_a_change_makes_the_next_version_and_is_in_the_history(admin: Client, item: Item) -> None:
    created_at = item.created_at

    response = admin.post(page(item), opened(admin, page(item)) | {"name": "b"})

    assert response.status_code == 302
    item.refresh_from_db()
    assert (item.name, item.version, item.created_at) == ("b", 2, created_at)
    assert item.updated_at > created_at
    assert LogEntry.objects.get().get_change_message() == "Changed Name."
    assert "Changed Name." in admin.get(page(item, "history")).text


def test_what_changes_nothing_makes_no_new_version(admin: Client, item: Item) -> None:
    admin.post(page(item), opened(admin, page(item)) | {"name": " a "})

    assert Item.objects.values_list("version", "updated_at").get() == (1, item.updated_at)


def test_only_the_name_can_be_changed(admin: Client, item: Item) -> None:
    fields = {"name": "b", "version": "9", "created_at_0": "2020-01-01", "created_at_1": "00:00:00"}

    admin.post(page(item), opened(admin, page(item)) | fields)

    assert Item.objects.values_list("name", "version", "created_at").get() == ("b", 2, item.created_at)


def test_the_time_of_a_change_never_goes_back(item: Item) -> None:
    ahead = timezone.now() + timedelta(days=1)
    Item.objects.filter(pk=item.pk).update(updated_at=ahead)
    item.refresh_from_db()

    item.save(update_fields=["name"])
    Item.objects.update(name="c")

    assert Item.objects.values_list("updated_at", "version").get() == (ahead, 4)


def test_many_that_change_at_once_are_each_at_their_next_version(item: Item) -> None:
    other = Item.objects.create(name="b")
    change_by_another(other)
    before: datetime = timezone.now()

    assert Item.objects.update(name="c") == 2

    assert sorted(Item.objects.values_list("name", "version")) == [("c", 2), ("c", 3)]
    assert Item.objects.filter(updated_at__gte=before).count() == 2
    items = list(Item.objects.all())
    for one in items:
        one.name = "d"
    Item.objects.bulk_update(items, ["name"])
    assert sorted(Item.objects.values_list("name", "version")) == [("d", 3), ("d", 4)]


@pytest.mark.parametrize("name", ["mine", "by another", "a"])
def test_a_form_that_was_opened_before_anothers_change_is_refused(
    admin: Client, item: Item, name: str
) -> None:
    form = opened(admin, page(item))
    change_by_another(item)

    response = admin.post(page(item), form | {"name": name})
    again = admin.post(page(item), hidden(response.text) | {"name": name})

    for refused in (response, again):  # also when it is sent once more: nobody has looked at the change yet
        assert refused.status_code == 200
        assert "at version 2 now" in refused.text
        assert "“by another”" in refused.text
        assert f'value="{name}"' in refused.text
    assert Item.objects.values_list("name", "version").get() == ("by another", 2)
    assert not LogEntry.objects.exists()
    assert admin.post(page(item), opened(admin, page(item)) | {"name": name}).status_code == 302


@pytest.mark.parametrize("sent", [{}, {"seen_version": ""}, {"seen_version": "x"}, {"seen_version": "2"}])
def test_a_form_without_the_version_is_refused(admin: Client, item: Item, sent: dict[str, str]) -> None:
    response = admin.post(page(item), {"name": "b"} | sent)

    assert "Nothing was saved" in response.text
    assert Item.objects.get().name == "a"


def test_what_is_said_of_a_conflict_shows_names_as_text(admin: Client, item: Item) -> None:
    form = opened(admin, page(item))
    change_by_another(item, "<script>alert(1)</script>")

    assert "<script>alert" not in admin.post(page(item), form | {"name": "b"}).text


def test_an_item_is_deleted(admin: Client, item: Item) -> None:
    response = admin.post(page(item, "delete"), opened(admin, page(item, "delete")))

    assert response.status_code == 302
    assert not Item.objects.exists()
    assert LogEntry.objects.get().is_deletion()


def test_an_item_that_has_changed_since_its_deletion_was_shown_stays(admin: Client, item: Item) -> None:
    confirmation = opened(admin, page(item, "delete"))
    change_by_another(item)

    response = admin.post(page(item, "delete"), confirmation, follow=True)

    assert "Changed since this was shown: “by another” (now at version 2)" in response.text
    assert Item.objects.exists()
    assert not LogEntry.objects.exists()
    assert admin.post(page(item, "delete"), hidden(response.text)).status_code == 302
    assert not Item.objects.exists()


def test_a_deletion_whose_page_nobody_opened_is_refused(admin: Client, item: Item) -> None:
    admin.post(page(item, "delete"), {"post": "yes"})

    assert Item.objects.exists()


@pytest.fixture
def some() -> list[Item]:
    return [Item.objects.create(name=name) for name in "abc"]


def confirmation_of(admin: Client, items: list[Item]) -> dict[str, Any]:
    keys = [str(item.pk) for item in items]
    asked = admin.post(LIST, {"action": "delete_selected", "_selected_action": keys})
    return hidden(asked.text) | {"_selected_action": keys}


def test_selected_items_are_deleted(admin: Client, some: list[Item]) -> None:
    response = admin.post(LIST, confirmation_of(admin, some[:2]), follow=True)

    assert "Successfully deleted 2 items" in response.text
    assert [item.name for item in Item.objects.all()] == ["c"]


def test_of_selected_items_none_is_deleted_when_one_has_changed_since_it_was_shown(
    admin: Client, some: list[Item]
) -> None:
    confirmation = confirmation_of(admin, some[:2])
    change_by_another(some[1])

    response = admin.post(LIST, confirmation, follow=True)

    assert "Changed since this was shown: “by another” (now at version 2)" in response.text
    assert Item.objects.count() == 3
    assert not LogEntry.objects.exists()


def test_what_another_deleted_meanwhile_keeps_no_other_from_being_deleted(
    admin: Client, some: list[Item]
) -> None:
    confirmation = confirmation_of(admin, some[:2])
    some[0].delete()

    admin.post(LIST, confirmation)

    assert [item.name for item in Item.objects.all()] == ["c"]


def test_as_many_can_be_deleted_at_once_as_django_takes_fields(admin: Client) -> None:
    items = [Item.objects.create(name=str(number)) for number in range(900)]

    admin.post(LIST, confirmation_of(admin, items))

    assert not Item.objects.exists()


def test_who_may_not_delete_is_not_shown_how(admin: Client, item: Item) -> None:
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))

    assert clerk.get(page(item, "delete")).status_code == 403
    assert clerk.post(page(item, "delete"), opened(admin, page(item, "delete"))).status_code == 403
    assert Item.objects.exists()
