"""Primary keys that PostgreSQL gives out after rows that brought theirs along: none is given twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
from django.db import connection

from items.models import Item
from tests.workers.transfer.conftest import Run
from tests.workers.transfer.conftest import run as run
from workers.models import Receipt
from workers.store.postgresql.sequences import NEAR, pass_key

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True, reset_sequences=True)]

NEXT = "SELECT nextval(pg_get_serial_sequence('items_item', 'id'))"


def next_key() -> int:
    with connection.cursor() as cursor:
        cursor.execute(NEXT)
        return int(cursor.fetchone()[0])


@pytest.fixture
def elsewhere() -> Iterator[psycopg.Connection]:
    """A connection of somebody who knows nothing of this project."""
    told = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: told[name] for name in names if told.get(name)}, autocommit=True) as one:
        yield one


@pytest.mark.parametrize(
    ("former", "key", "expected"),
    [
        (0, 1, 2),
        (0, 5, 6),
        (7, 5, 8),
        (5, 5, 6),
        (4, 5, 6),
        (1, NEAR + 1, NEAR + 2),
        (1, NEAR + 2, NEAR + 3),
        (0, 2**40, 2**40 + 1),
        (0, 0, 1),
        (3, -5, 4),
    ],
)
def test_the_sequence_passes_a_key_and_is_never_lowered(former: int, key: int, expected: int) -> None:
    for _ in range(former):
        next_key()

    pass_key(connection, Item, key)

    assert next_key() == expected


def test_no_key_is_given_twice_while_others_take_some(elsewhere: psycopg.Connection) -> None:
    over = Event()
    taken: list[int] = []

    def take() -> None:
        while not over.is_set():
            taken.extend(row[0] for row in elsewhere.execute(f"{NEXT} FROM generate_series(1, 20)"))

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take)
        for _ in range(300):
            own = next_key()
            taken.append(own)
            pass_key(connection, Item, own + 3)
        over.set()
        taking.result(60)

    assert len(taken) > 300
    assert len(set(taken)) == len(taken)


@pytest.mark.usefixtures("writes_at_once")
def test_rows_taken_verbatim_lower_no_sequence(run: Run) -> None:
    times = '"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"'
    for number in range(5):
        Item.objects.create(name=f"{number}")
    Item.objects.filter(id__gt=1).delete()

    run("import_items", "items.jsonl", f'{{"id":2,"name":"given",{times}}}\n', verbatim=True)
    assert Item.objects.create(name="next").pk == 6

    run("import_items", "more.jsonl", f'{{"id":9,"name":"given",{times}}}\n', verbatim=True)
    assert Item.objects.create(name="next").pk == 10


def test_a_model_without_a_sequence_is_left_alone() -> None:
    pass_key(connection, Receipt, 1)
