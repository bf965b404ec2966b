"""Which transaction is left while its thread waits for the writer, and what becomes of it."""

import sqlite3
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from tests.jottings.models import Topic
from tests.savepoints import savepoint_create
from tests.waiting import until
from workers.exceptions import StoreBusy, TransactionTimedOut
from workers.middleware import store_lock
from workers.store import opening
from workers.store.request_transaction import left_for_writer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


def request(view: Callable[[], None]) -> None:
    """Have it run as a view in the transaction of its request."""

    @transaction.atomic
    def serve(request: HttpRequest) -> HttpResponse:
        resolved(request, view)
        view()
        return HttpResponse()

    store_lock(serve)(RequestFactory().get("/"))


def resolved(request: HttpRequest, view: Callable[..., Any]) -> None:
    request.resolver_match = types.SimpleNamespace(func=view)  # type: ignore[assignment]


def add(name: str) -> None:
    Topic.objects.create(name=name)


def add_elsewhere(name: str) -> None:
    """Write as another process does, in a transaction of its own: with the store lock."""

    def work() -> None:
        try:
            add(name)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(20)


def names() -> list[str]:
    return list(Topic.objects.order_by("name").values_list("name", flat=True))


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_one_that_has_only_read_is_left_and_goes_on_with_what_was_committed() -> None:
    def view() -> None:
        assert names() == []
        with left_for_writer() as can_commit:
            assert can_commit
            add_elsewhere("a")
            assert names() == ["a"]
            add_elsewhere("b")  # to read in the block has not begun it anew
        assert connection.in_atomic_block
        assert names() == ["a", "b"]
        assert opening.lock_holder() is not None
        add("c")

    request(view)

    assert names() == ["a", "b", "c"]


def test_what_is_written_afterwards_is_undone_as_a_whole() -> None:
    def view() -> None:
        with left_for_writer():
            add_elsewhere("a")
        add("b")
        with transaction.atomic():
            add("c")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        request(view)

    assert names() == ["a"]
    assert opening.lock_holder() is None


@pytest.mark.parametrize("fails", [False, True])
def test_one_that_is_never_gone_on_with_is_over_with_its_request(fails: bool) -> None:
    def view() -> None:
        names()
        with left_for_writer():
            add_elsewhere("a")
        if fails:
            raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            request(view)
    else:
        request(view)

    assert connection.get_autocommit()
    add("b")
    add_elsewhere("c")  # so this thread does not hold the lock
    assert names() == ["a", "b", "c"]


def test_it_may_be_left_again_and_a_block_in_the_block_changes_nothing() -> None:
    def view() -> None:
        for number in range(2):
            names()
            with left_for_writer():
                with left_for_writer() as can_commit:
                    assert can_commit
                names()
                add_elsewhere(f"a{number}")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        request(view)

    assert names() == ["a0", "a1"]


def test_an_error_in_the_block_leaves_a_transaction_that_can_be_undone() -> None:
    def view() -> None:
        names()
        try:
            with left_for_writer():
                raise KeyError
        except KeyError:
            add("a")
            raise ZeroDivisionError from None

    with pytest.raises(ZeroDivisionError):
        request(view)

    assert names() == []


def in_block_of_its_own() -> None:
    with transaction.atomic():
        names()
        with left_for_writer() as can_commit:
            assert not can_commit
    with left_for_writer() as can_commit:
        assert can_commit  # the block has only read


def changed_by_orm() -> None:
    add("a")


def changed_and_undone_in_part() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        add("a")
        raise ZeroDivisionError


def changed_by_its_own_sql() -> None:
    sql("CREATE TABLE made_by_a_view (x int)")


def changed_past_djangos_cursor() -> None:
    names()
    connection.connection.execute("INSERT INTO jottings_topic (name) VALUES ('a')")


def changed_by_many_statements() -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO jottings_topic (name) VALUES (%s)", [("a",), ("b",)])


@pytest.mark.parametrize(
    "change",
    [
        changed_by_orm,
        changed_and_undone_in_part,
        changed_by_its_own_sql,
        changed_past_djangos_cursor,
        changed_by_many_statements,
    ],
)
def test_one_that_may_have_changed_anything_is_kept(change: Callable[[], None]) -> None:
    def view() -> None:
        change()
        with left_for_writer() as can_commit:
            assert not can_commit
        assert opening.lock_holder() is not None
        raise KeyError

    with pytest.raises(KeyError):
        request(view)

    assert names() == []
    assert "made_by_a_view" not in connection.introspection.table_names()


def test_a_block_that_the_view_has_made_is_kept() -> None:
    request(in_block_of_its_own)


def test_a_view_that_is_exempt_a_middleware_and_who_is_no_request_keep_theirs() -> None:
    def serve(request: HttpRequest) -> HttpResponse:
        resolved(request, transaction.non_atomic_requests(lambda: None))
        return work()

    def respond(request: HttpRequest) -> HttpResponse:
        return work()  # before it is known which view will

    def work() -> HttpResponse:
        with transaction.atomic():
            names()
            with left_for_writer() as can_commit:
                assert not can_commit
        return HttpResponse()

    work()
    for inner in (serve, respond):
        assert store_lock(inner)(RequestFactory().get("/")).status_code == 200


def test_who_has_no_transaction_lets_the_writer_commit_unless_he_keeps_the_lock() -> None:
    connection.close()
    with left_for_writer() as can_commit:
        assert can_commit and connection.connection is None
    names()
    with left_for_writer() as can_commit:
        assert can_commit
    with opening.kept(connection), left_for_writer() as can_commit:
        assert not can_commit


@pytest.mark.sqlite
def test_one_that_was_cut_off_keeps_nobody_out_and_says_so_with_its_next_statement(settings: Any) -> None:
    def view() -> None:
        names()
        settings.WRITE_LOCK_HOLD_SECONDS = 0.1
        guard: Any = opening.guard_of(connection)
        until(lambda: not guard.is_held, what="the transaction to be cut off")
        with left_for_writer() as can_commit:
            assert can_commit
            add_elsewhere("a")
        names()

    with pytest.raises(TransactionTimedOut):
        request(view)

    assert names() == ["a"]


@pytest.mark.postgresql
def test_one_that_has_failed_is_kept() -> None:
    def view() -> None:
        with suppress(DatabaseError):
            sql("SELECT 1 / 0")
        with left_for_writer() as can_commit:
            assert not can_commit

    request(view)


@pytest.mark.postgresql
def test_one_whose_connection_is_gone_keeps_nobody_out() -> None:
    def view() -> None:
        names()
        connection.connection.close()
        with left_for_writer() as can_commit:
            assert can_commit
        names()

    with pytest.raises(DatabaseError):
        request(view)
    connection.close()

    assert names() == []


@pytest.fixture
def rows() -> Iterator[Any]:
    for number in range(5):
        add(f"n{number}")
    iterator: Any = Topic.objects.order_by("name").iterator(chunk_size=1)
    yield iterator
    iterator.close()


@pytest.mark.postgresql
def test_rows_that_a_server_still_has_for_it_are_not_lost(rows: Any) -> None:
    def view() -> None:
        next(rows)
        with left_for_writer() as can_commit:
            assert not can_commit
        assert len(list(rows)) == 4

    request(view)


@pytest.mark.sqlite
def test_rows_that_are_still_to_be_fetched_can_be(rows: Any) -> None:
    def view() -> None:
        next(rows)
        with left_for_writer() as can_commit:
            assert can_commit
            add_elsewhere("a")
        assert len(list(rows)) == 4
        add("b")

    request(view)

    assert len(names()) == 7


def test_one_with_a_savepoint_to_go_back_to_is_not_left() -> None:
    def view() -> None:
        point = savepoint_create()
        with left_for_writer() as can_commit:
            assert not can_commit
        add("a")
        transaction.savepoint_rollback(point)
        add("b")

    request(view)

    assert names() == ["b"]


def test_one_whose_savepoints_are_done_with_is_left() -> None:
    def view() -> None:
        with transaction.atomic():
            transaction.savepoint_commit(savepoint_create())
            names()
        with suppress(KeyError), transaction.atomic():
            raise KeyError
        with left_for_writer() as can_commit:
            assert can_commit
            add_elsewhere("a")

    request(view)

    assert names() == ["a"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own lock")
def test_where_it_cannot_be_begun_anew_nothing_is_committed_without_it() -> None:
    path = opening.file_of(connection)
    assert path is not None

    def view() -> None:
        sql("PRAGMA busy_timeout = 10")
        with left_for_writer():
            add_elsewhere("a")
        with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            with suppress(StoreBusy):
                sql("INSERT INTO jottings_topic (name) VALUES ('b')")
        add("c")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        request(view)

    assert names() == ["a"]
