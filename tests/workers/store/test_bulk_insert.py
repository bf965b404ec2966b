"""Rows are inserted with keys of our own giving, which are those that SQLite would give."""

import pytest
from django.db import IntegrityError, connection, transaction

from items import write_functions
from items.models import Item
from tests.jottings.models import Measurement
from workers import BulkInsert
from workers.models import Receipt

pytestmark = pytest.mark.django_db(transaction=True)


def insert(*names: str) -> list[int]:
    with transaction.atomic():
        return [item["id"] for item in write_functions._insert([{"name": name} for name in names])]


def sequence() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [Item._meta.db_table])
        row = cursor.fetchone()
    return row[0] if row else None


def forget_sequence() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [Item._meta.db_table])


def test_what_is_returned_is_what_is_stored() -> None:
    with transaction.atomic():
        inserted = write_functions._insert([{"name": "a"}, {"name": "b"}])

    assert [item["name"] for item in inserted] == ["a", "b"]
    assert inserted == [item.representation() for item in Item.objects.order_by("id")]


def test_no_items_are_no_change() -> None:
    with transaction.atomic():
        assert write_functions._insert([]) == []


@pytest.mark.sqlite  # a sequence of PostgreSQL takes no id back
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


@pytest.mark.sqlite  # a sequence of PostgreSQL takes no id back
def test_an_undone_savepoint_gives_its_ids_back() -> None:
    [first] = insert("a")
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            write_functions._insert([{"name": "b"}, {"name": "c"}])
            raise ZeroDivisionError
        again = write_functions._insert([{"name": "d"}])

    assert [item["id"] for item in again] == [first + 1]
    assert list(Item.objects.order_by("id").values_list("name", flat=True)) == ["a", "d"]


@pytest.mark.sqlite  # a sequence of PostgreSQL takes no id back
def test_a_sequence_that_was_lost_costs_no_item() -> None:
    [first] = insert("a")
    forget_sequence()

    assert insert("b") == [first + 1]


def test_an_item_that_the_store_refuses_undoes_its_neighbours_too() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX only_once ON {Item._meta.db_table} (name)")
    try:
        with pytest.raises(IntegrityError):
            insert("a", "b", "a")
        assert not Item.objects.exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX only_once")


def test_rows_may_name_different_fields_and_get_the_defaults_of_the_others() -> None:
    insert_measurements = BulkInsert(Measurement)

    with transaction.atomic():
        inserted = insert_measurements([{"label": "a", "low": 1, "high": 2}, {"label": "b"}])

    assert list(Measurement.objects.order_by("pk").values(*inserted[0])) == inserted


def test_a_value_that_has_no_default_has_to_be_given() -> None:
    with transaction.atomic(), pytest.raises(KeyError, match="name"):
        write_functions._insert([{"name": "a"}, {}])
    assert not Item.objects.exists()


def test_a_model_with_a_key_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="Receipt has no AutoField"):
        BulkInsert(Receipt)
