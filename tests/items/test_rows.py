"""Items are inserted with ids of our own giving, which are those that SQLite would give."""

import pytest
from django.db import IntegrityError, connection, transaction

from items import rows
from items.models import Item

pytestmark = pytest.mark.django_db(transaction=True)


def insert(*names: str) -> list[int]:
    with transaction.atomic():
        return [item["id"] for item in rows.insert([{"name": name} for name in names])]


def sequence() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [rows.TABLE])
        row = cursor.fetchone()
    return row[0] if row else None


def forget_sequence() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [rows.TABLE])


def test_what_is_returned_is_what_is_stored() -> None:
    with transaction.atomic():
        inserted = rows.insert([{"name": "a"}, {"name": "b"}])

    assert [item["name"] for item in inserted] == ["a", "b"]
    assert inserted == [item.representation() for item in Item.objects.order_by("id")]


def test_no_items_are_no_change() -> None:
    with transaction.atomic():
        assert rows.insert([]) == []


def test_the_first_item_of_all_has_the_id_one() -> None:
    forget_sequence()

    assert insert("a", "b") == [1, 2]
    assert sequence() == 2


def test_ids_go_on_where_the_orm_left_off_and_the_other_way_round() -> None:
    [first] = insert("a")
    moment = Item.objects.get(pk=first).created_at
    by_orm = Item.objects.create(name="b", created_at=moment, updated_at=moment)

    assert (by_orm.pk, insert("c")) == (first + 1, [first + 2])


def test_the_id_of_a_deleted_item_is_not_given_again() -> None:
    first, newest = insert("a", "b")
    Item.objects.filter(pk=newest).delete()

    assert insert("c") == [newest + 1]

    Item.objects.all().delete()
    assert insert("d") == [newest + 2]
    assert first < newest


def test_an_undone_savepoint_gives_its_ids_back() -> None:
    [first] = insert("a")
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            rows.insert([{"name": "b"}, {"name": "c"}])
            raise ZeroDivisionError
        again = rows.insert([{"name": "d"}])

    assert [item["id"] for item in again] == [first + 1]
    assert list(Item.objects.order_by("id").values_list("name", flat=True)) == ["a", "d"]


def test_a_sequence_that_was_lost_costs_no_item() -> None:
    [first] = insert("a")
    forget_sequence()

    assert insert("b") == [first + 1]


def test_an_item_that_the_store_refuses_undoes_its_neighbours_too() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX only_once ON {rows.TABLE} (name)")
    try:
        with pytest.raises(IntegrityError):
            insert("a", "b", "a")
        assert not Item.objects.exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX only_once")
