"""A write function cannot leave, end or spoil the transaction that it shares with its neighbours."""

import asyncio
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import override_settings

from tests.jottings.models import Jotting
from tests.jottings.write_functions import texts
from tests.savepoints import savepoint_create
from workers import Result, Write, WriteFunction, write_function
from workers.models import Receipt
from workers.registry import _functions
from workers.store import driver, fence
from workers.writer import commit
from workers.writes import Outcome, WriteStatus, decode, encode, new_token

pytestmark = pytest.mark.django_db(transaction=True)

_ids = iter(range(1, 1_000_000))


@pytest.fixture(autouse=True)
def _forget_functions() -> Iterator[None]:
    known = dict(_functions)
    yield
    _functions.clear()
    _functions.update(known)


def write(function: str, **arguments: Any) -> Write:
    """Return a write as the writer reads it."""
    sent = Write(function=function, arguments=arguments, token=new_token())
    return decode(next(_ids), encode(sent))


def add(text: str) -> Write:
    return write("jottings.add", data={"text": text})


def outcomes(*writes: Write) -> list[Outcome]:
    return [outcome for _, outcome in commit.commit_batch(writes)]


def define(name: str, spoil: Callable[[], Any]) -> None:
    """Define a write function that adds a note, does something it must not, and adds another."""

    @write_function(name)
    def spoiler(write: Write) -> Result:
        Jotting.objects.create(text="before")
        spoil()
        Jotting.objects.create(text="after")
        return Result()


def sql(statement: str) -> Callable[[], Any]:
    return lambda: connection.cursor().execute(statement)


def swallowing(spoil: Callable[[], Any]) -> Callable[[], Any]:
    def swallow() -> None:
        try:
            spoil()
        except Exception:
            return

    return swallow


def exit_everything() -> None:
    for block in reversed(list(connection.atomic_blocks)):
        block.__exit__(None, None, None)


def end_and_begin() -> None:
    connection.cursor().execute("COMMIT")
    connection.cursor().execute("BEGIN")


def leave_open(blocks: int) -> None:
    for _ in range(blocks):
        transaction.atomic().__enter__()


SPOILERS: dict[str, Callable[[], Any]] = {
    "commit": sql("COMMIT"),
    "commit in lower case": sql("  /* now */ commit;"),
    "end": sql("END TRANSACTION"),
    "rollback": sql("ROLLBACK"),
    "commit and begin": end_and_begin,
    "commit of sqlite3": lambda: connection.connection.commit(),
    "rollback of sqlite3": lambda: connection.connection.rollback(),
    "a script": lambda: connection.cursor().executescript("SELECT 1"),
    "Django's commit": transaction.commit,
    "Django's rollback": transaction.rollback,
    "autocommit": lambda: transaction.set_autocommit(True),
    "a durable block": lambda: transaction.atomic(durable=True).__enter__(),
    "a rollback that is asked for": lambda: transaction.set_rollback(True),
    "a block left open": lambda: transaction.atomic().__enter__(),
    "blocks left open": lambda: leave_open(3),
    "a block without savepoint left open": lambda: transaction.atomic(savepoint=False).__enter__(),
    "blocks left by force": exit_everything,
    "a closed connection": lambda: connection.close(),
    "all connections closed": lambda: connections.close_all(),
    "a closed connection of sqlite3": lambda: connection.connection.close(),
    "query_only": sql("PRAGMA query_only = 1"),
    "journal": sql("PRAGMA journal_mode = DELETE"),
    "savepoint of the batch": lambda: connection.cursor().execute(f"RELEASE {connection.savepoint_ids[0]}"),
}


OF_SQLITE = {"a script", "query_only", "journal"}
OF_POSTGRESQL: dict[str, Callable[[], Any]] = {
    "a setting of the session": sql("SET statement_timeout = 0"),
    "settings given back": sql("RESET ALL"),
    "prepared for later": sql("PREPARE TRANSACTION 'later'"),
    "commit among others": sql("SELECT 1; COMMIT; BEGIN"),
    "commit and begin of psycopg": lambda: connection.connection.execute("COMMIT; BEGIN"),
    "commit among others of psycopg": lambda: connection.connection.cursor().execute(
        "SELECT 1; COMMIT; BEGIN"
    ),
    "commit behind a comment": lambda: connection.connection.execute("SELECT ';'; /* ; */ commit"),
    "commit that makes the savepoint again": lambda: connection.connection.execute(
        f"COMMIT; BEGIN; SAVEPOINT {connection.savepoint_ids[-1]}"
    ),
    "commit many times": lambda: connection.connection.cursor().executemany("COMMIT", [()]),
    "a setting of the session of psycopg": lambda: connection.connection.execute("SET statement_timeout = 0"),
    "rollback in bytes": lambda: connection.connection.execute(b"ROLLBACK"),
    "a failed statement that was caught": swallowing(sql("SELECT 1 / 0")),
}
if connection.vendor == "postgresql":
    SPOILERS = {name: spoil for name, spoil in SPOILERS.items() if name not in OF_SQLITE} | OF_POSTGRESQL


REFUSED_BY_DJANGO = {"Django's commit", "Django's rollback", "autocommit", "a durable block"}
"""Without an effect: a function that goes on did nothing wrong."""


@pytest.mark.parametrize("swallows", [False, True], ids=["", "swallowed"])
@pytest.mark.parametrize("name", SPOILERS)
def test_a_function_that_spoils_the_transaction_fails_alone(
    name: str, swallows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    define("fence.spoil", swallowing(SPOILERS[name]) if swallows else SPOILERS[name])
    writes = [add("a"), write("fence.spoil"), add("b")]

    got = outcomes(*writes)

    if swallows and name in REFUSED_BY_DJANGO:
        assert [outcome.status for outcome in got] == [WriteStatus.COMMITTED] * 3
        return
    assert [outcome.status for outcome in got] == [
        WriteStatus.COMMITTED,
        WriteStatus.FAILED,
        WriteStatus.COMMITTED,
    ]
    assert texts() == ["a", "b"]
    assert list(Receipt.objects.order_by("pk").values_list("status", flat=True)) == [
        "committed", "failed", "committed",
    ]  # fmt: skip
    failed = [record for record in caplog.records if "state=failed" in record.getMessage()]
    assert {f"write={writes[1].write_id} state=failed function=fence.spoil"} == {
        record.getMessage() for record in failed
    }


@pytest.mark.parametrize("name", SPOILERS)
def test_after_a_function_that_spoils_the_transaction_the_next_batch_is_committed(name: str) -> None:
    define("fence.spoil", SPOILERS[name])
    outcomes(write("fence.spoil"))

    assert [outcome.status for outcome in outcomes(add("a"), add("b"))] == [WriteStatus.COMMITTED] * 2
    assert texts() == ["a", "b"]
    assert driver.is_in_transaction(connection.connection) is False
    if connection.vendor == "sqlite":
        assert connection.cursor().execute("PRAGMA query_only").fetchone() == (0,)


@pytest.mark.parametrize("name", SPOILERS)
def test_a_bulk_form_that_spoils_the_transaction_costs_no_neighbour(name: str) -> None:
    @write_function("fence.bulk")
    def one(write: Write) -> Result:
        Jotting.objects.create(text=write.arguments["text"])
        return Result()

    @one.bulk
    def many(writes: Sequence[Write]) -> list[Result]:
        for _ in writes:
            Jotting.objects.create(text="wrong")
            SPOILERS[name]()
        return [Result() for _ in writes]

    got = outcomes(add("a"), write("fence.bulk", text="b"), write("fence.bulk", text="c"), add("d"))

    assert [outcome.status for outcome in got] == [WriteStatus.COMMITTED] * 4
    assert texts() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "error",
    [SystemExit(0), GeneratorExit(), asyncio.CancelledError(), BaseException("odd"), RecursionError()],
)
def test_whatever_a_function_raises_is_the_outcome_of_its_write(error: BaseException) -> None:
    def raise_it() -> None:
        raise error

    define("fence.raise", raise_it)

    got = outcomes(add("a"), write("fence.raise"), add("b"))

    assert [outcome.status for outcome in got] == [
        WriteStatus.COMMITTED,
        WriteStatus.FAILED,
        WriteStatus.COMMITTED,
    ]
    assert texts() == ["a", "b"]


@override_settings(WRITE_TIME_LIMIT_SECONDS=0.2)
def test_a_statement_that_writes_and_hangs_is_cut_off_and_its_neighbours_are_committed() -> None:
    """SQLite undoes the whole transaction when it interrupts a statement that writes."""
    define(
        "fence.hang_while_writing",
        sql(
            "INSERT INTO jottings_jotting (text) WITH RECURSIVE n(i) AS "
            "(SELECT 1 UNION ALL SELECT i + 0 FROM n) SELECT 'x' FROM n WHERE i < 0"
        ),
    )
    tried: list[int] = []

    @write_function("fence.count")
    def count(write: Write) -> Result:
        tried.append(write.write_id)
        Jotting.objects.create(text="counted")
        return Result()

    got = outcomes(write("fence.count"), write("fence.hang_while_writing"), write("fence.count"))

    assert [outcome.status for outcome in got] == [
        WriteStatus.COMMITTED,
        WriteStatus.FAILED,
        WriteStatus.COMMITTED,
    ]
    assert got[1].json()["code"] == "write_timed_out"
    assert texts() == ["counted", "counted"]
    # PostgreSQL undoes the savepoint alone, so the first one is not applied again.
    assert len(tried) == (3 if connection.vendor == "sqlite" else 2)


@pytest.mark.sqlite
def test_pragmas_that_only_read_are_not_refused() -> None:
    define("fence.read", sql("PRAGMA table_info(jottings_jotting)"))
    define("fence.defer", sql("PRAGMA defer_foreign_keys = ON"))

    got = outcomes(write("fence.read"), write("fence.defer"))

    assert [outcome.status for outcome in got] == [WriteStatus.COMMITTED] * 2


def test_blocks_and_savepoints_of_its_own_are_a_functions_right() -> None:
    def use() -> None:
        with transaction.atomic(), transaction.atomic():
            Jotting.objects.create(text="inner")
        try:
            with transaction.atomic():
                Jotting.objects.create(text="undone")
                raise DatabaseError
        except DatabaseError:
            point = savepoint_create()
            Jotting.objects.create(text="undone")
            transaction.savepoint_rollback(point)
        connection.cursor().execute("SAVEPOINT mine")
        connection.cursor().execute("ROLLBACK TO mine")
        connection.cursor().execute("RELEASE mine")

    define("fence.own", use)

    assert [outcome.status for outcome in outcomes(write("fence.own"))] == [WriteStatus.COMMITTED]
    assert texts() == ["before", "inner", "after"]


@pytest.mark.parametrize("spoil", [lambda: None, lambda: connection.close()], ids=["bulk", "lost"])
def test_a_write_that_is_applied_again_has_its_arguments_as_they_were_sent(spoil: Callable[[], Any]) -> None:
    """`data.pop("tags")` is how many a function begins."""

    @write_function("fence.pop")
    def pop(write: Write) -> Result:
        Jotting.objects.create(text=write.arguments["data"].pop("text"))
        return Result()

    @pop.bulk
    def pop_many(writes: Sequence[Write]) -> list[Result]:
        for each in writes:
            pop(each)
        raise ValueError("one of them is bad")

    define("fence.spoil", spoil)

    got = outcomes(*(write("fence.pop", data={"text": text}) for text in "ab"), write("fence.spoil"))

    assert [outcome.status for outcome in got][:2] == [WriteStatus.COMMITTED] * 2
    assert texts()[:2] == ["a", "b"]


def test_a_failed_write_keeps_its_arguments_as_they_were_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    @write_function("fence.pop_and_raise")
    def pop_and_raise(write: Write) -> Result:
        write.arguments["data"].clear()
        raise ZeroDivisionError

    outcomes(write("fence.pop_and_raise", data={"text": "a"}))

    assert Receipt.objects.get().arguments == '{"data":{"text":"a"}}'


def test_another_connection_of_the_process_is_not_fenced_in() -> None:
    other = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    other.set_authorizer(fence.authorize)
    other.execute("CREATE TABLE t (a)")

    def insert_elsewhere() -> None:
        other.execute("BEGIN")
        other.execute("INSERT INTO t VALUES (1)")
        other.execute("COMMIT")

    def spoil() -> None:
        thread = threading.Thread(target=insert_elsewhere)
        thread.start()
        thread.join()

    define("fence.thread", spoil)

    assert [outcome.status for outcome in outcomes(write("fence.thread"))] == [WriteStatus.COMMITTED]
    assert other.execute("SELECT a FROM t").fetchall() == [(1,)]
    other.close()


def test_the_neighbours_of_many_writes_that_end_the_transaction_are_applied_three_times_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    applied: Counter[str] = Counter()

    def close(write: Write) -> Result:
        applied[write.token] += 1
        if not write.arguments:
            connection.close()
        return Result()

    monkeypatch.setitem(_functions, "jottings.close", WriteFunction("jottings.close", close))
    writes = [
        Write(
            function="jottings.close",
            arguments={"stays": True} if number == 1 else {},
            token=new_token(),
            write_id=number,
        )
        for number in range(1, 31)
    ]

    answers = commit.commit_batch(writes)

    assert [outcome.status for _, outcome in answers] == [WriteStatus.COMMITTED] + [WriteStatus.FAILED] * 29
    assert max(applied.values()) <= 3


@pytest.mark.postgresql
def test_words_that_are_no_statements_are_not_refused() -> None:
    text = "'; COMMIT; '"
    harmless = f"SELECT {text}; SELECT E'\\'; COMMIT; '; DO $a$ BEGIN PERFORM 1; END; $a$ -- ; COMMIT"
    define("fence.harmless", lambda: connection.connection.execute(harmless))

    assert outcomes(write("fence.harmless"))[0].status is WriteStatus.COMMITTED
