"""What unchanged code does with Django and SQLite, each as a case.

Run by test_unchanged_code.py in a process of its own: that of the tests has the tests' database, and
transactions of pytest-django around it.
"""

import asyncio
import gc
import json
import os
import sqlite3
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import django

if __name__ == "__main__":
    django.setup()

from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.test import AsyncClient, Client
from django.test.utils import override_settings

from tests.jottings.models import Jotting, Topic
from tests.savepoints import savepoint_create
from tests.waiting import until
from workers.exceptions import StoreBusy
from workers.store import opening, permission, read_limit, wal
from workers.store.lock.store_lock import StoreLock
from workers.store.roles import Role, current_role, set_role

BASE_DIR = Path(__file__).resolve().parents[4]

LOCK_FOLDER = os.fspath(BASE_DIR / "workers" / "store" / "lock")

CASES: dict[str, Callable[[], None]] = {}


def case(function: Callable[[], None]) -> Callable[[], None]:
    CASES[function.__name__] = function
    return function


def lock(alias: str = "default") -> StoreLock:
    path = opening.file_of(connections[alias])
    assert path is not None
    return StoreLock(path)  # one of its own: it asks the kernel, not this process


def is_held(alias: str = "default") -> bool:
    return lock(alias).holder() is not None


def names(alias: str = "default") -> set[str]:
    return set(Topic.objects.using(alias).values_list("name", flat=True))


def sql(statement: str, parameters: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else None


def in_thread(call: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as exc:
            failures.append(exc)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@contextmanager
def raises(kind: type[BaseException], text: str = "") -> Iterator[None]:
    try:
        yield
    except kind as exc:
        assert text in str(exc), exc
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


# Transactions of Django's


@case
def on_commit_runs_after_the_lock_is_given_back() -> None:
    seen: list[bool] = []
    with transaction.atomic():
        Topic.objects.create(name="a")
        transaction.on_commit(lambda: seen.append(is_held()))
        transaction.on_commit(lambda: Topic.objects.create(name="hook") and None)
        assert is_held()
        assert not seen
    assert seen == [False]
    assert names() == {"a", "hook"}


@case
def a_robust_on_commit_that_fails_stops_no_other() -> None:
    ran: list[int] = []
    with transaction.atomic():
        Topic.objects.create(name="a")
        transaction.on_commit(lambda: 1 // 0 and None, robust=True)
        transaction.on_commit(lambda: ran.append(1))
    assert ran == [1]


@case
def on_commit_does_not_run_after_a_rollback() -> None:
    ran: list[int] = []
    with suppress(ValueError), transaction.atomic():
        Topic.objects.create(name="a")
        transaction.on_commit(lambda: ran.append(1))
        raise ValueError
    assert ran == []
    assert names() == set()


@case
def durable_blocks_may_not_be_nested() -> None:
    with transaction.atomic(durable=True):
        Topic.objects.create(name="a")
    with raises(RuntimeError), transaction.atomic(), transaction.atomic(durable=True):
        pass
    assert names() == {"a"}


@case
def a_nested_block_is_undone_alone() -> None:
    with transaction.atomic():
        Topic.objects.create(name="outer")
        with suppress(ValueError), transaction.atomic():
            Topic.objects.create(name="inner")
            raise ValueError
        assert is_held()
    assert names() == {"outer"}


@case
def savepoints_are_rolled_back_and_released() -> None:
    with transaction.atomic():
        first = savepoint_create()
        Topic.objects.create(name="undone")
        transaction.savepoint_rollback(first)
        second = savepoint_create()
        Topic.objects.create(name="kept")
        transaction.savepoint_commit(second)
    assert names() == {"kept"}


@case
def without_autocommit_the_lock_is_held_until_commit() -> None:
    transaction.set_autocommit(False)
    try:
        assert names() == set()
        assert not is_held()
        Topic.objects.create(name="a")
        assert is_held()
        transaction.commit()
        assert not is_held()
        Topic.objects.create(name="b")
        transaction.rollback()
        assert not is_held()
    finally:
        transaction.set_autocommit(True)
    assert names() == {"a"}


@case
def turning_autocommit_on_commits_and_gives_the_lock_back() -> None:
    transaction.set_autocommit(False)
    Topic.objects.create(name="a")
    transaction.set_autocommit(True)
    assert not is_held()
    in_thread(lambda: Topic.objects.create(name="b"))
    assert names() == {"a", "b"}


@case
def an_integrity_error_in_autocommit_gives_the_lock_back() -> None:
    Topic.objects.create(name="a")
    with raises(IntegrityError):
        Topic.objects.create(name="a")
    assert not is_held()


@case
def an_integrity_error_in_a_nested_block_leaves_the_outer_one_usable() -> None:
    with transaction.atomic():
        Topic.objects.create(name="a")
        with suppress(IntegrityError), transaction.atomic():
            Topic.objects.create(name="a")
        Topic.objects.create(name="b")
    assert names() == {"a", "b"}


@case
def get_or_create_and_update_or_create_work() -> None:
    Topic.objects.get_or_create(name="a")
    assert not Topic.objects.get_or_create(name="a")[1]
    Topic.objects.update_or_create(name="b")
    assert Topic.objects.select_for_update().count() == 2
    with transaction.atomic():
        list(Topic.objects.select_for_update())


@case
def closing_within_a_block_undoes_it_and_gives_the_lock_back() -> None:
    with suppress(DatabaseError), transaction.atomic():
        Topic.objects.create(name="a")
        connection.close()
        assert not is_held()
    assert names() == set()
    Topic.objects.create(name="b")
    assert names() == {"b"}


# Statements that were typed


@case
def a_typed_transaction_is_committed_and_rolled_back() -> None:
    for begin in ("BEGIN", "begin immediate", "/* a */ BEGIN", "-- b\nBEGIN DEFERRED", " ;BEGIN EXCLUSIVE"):
        sql(begin)
        assert is_held(), begin
        Topic.objects.create(name=begin)
        sql("COMMIT")
        assert not is_held(), begin
    sql("BEGIN")
    Topic.objects.create(name="undone")
    sql("ROLLBACK")
    assert not is_held()
    assert len(names()) == 5


@case
def a_typed_savepoint_is_a_transaction() -> None:
    sql("SAVEPOINT s")
    Topic.objects.create(name="a")
    assert is_held()
    sql("ROLLBACK TO s")
    Topic.objects.create(name="b")
    sql("RELEASE s")
    assert not is_held()
    assert names() == {"b"}


@case
def statements_that_write_and_begin_otherwise_take_the_lock() -> None:
    sql("WITH n(x) AS (VALUES ('with')) INSERT INTO jottings_topic (name) SELECT x FROM n")
    sql("/* why */ INSERT INTO jottings_topic (name) VALUES (%s)", ["comment"])
    sql("-- why\nUPDATE jottings_topic SET name = name || '!'")
    assert names() == {"with!", "comment!"}
    assert not is_held()


@case
def what_a_write_returns_is_all_there_once_the_lock_is_gone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jottings_topic (name) VALUES ('a'), ('b'), ('c'), ('d') RETURNING name")
        assert not is_held()
        in_thread(lambda: Topic.objects.create(name="e"))
        assert cursor.fetchone() == ("a",)
        assert cursor.fetchmany(2) == [("b",), ("c",)]
        assert list(cursor) == [("d",)]
        assert cursor.fetchone() is None
        assert cursor.fetchall() == []
    assert Topic.objects.create(name="f").pk == 6
    assert [each.pk for each in Topic.objects.bulk_create([Topic(name="g"), Topic(name="h")])] == [7, 8]


@case
def many_statements_at_once_lose_no_row_of_an_iterator() -> None:
    with connection.cursor() as cursor:
        insert = "WITH n(x) AS (VALUES (%s)) INSERT INTO jottings_topic (name) SELECT x FROM n"
        cursor.executemany("INSERT INTO jottings_topic (name) VALUES (%s)", [("a",), ("b",)])
        rows: Any = iter([("c",), ("d",), ("e",)])
        cursor.executemany(insert, rows)
    assert names() == {"a", "b", "c", "d", "e"}
    assert not is_held()


@case
def scripts_run() -> None:
    with connection.cursor() as cursor:
        cursor.executescript("BEGIN; INSERT INTO jottings_topic (name) VALUES ('a'); COMMIT; SELECT 1;")
    assert names() == {"a"}
    assert not is_held()


@case
def the_schema_and_the_file_are_changed_outside_of_a_transaction() -> None:
    sql("PRAGMA user_version = 7")
    assert sql("PRAGMA user_version") == [(7,)]
    sql("CREATE TABLE own (x)")
    sql("ALTER TABLE own ADD COLUMN y")
    sql("CREATE TEMP TABLE passing (x)")
    sql("VACUUM")
    sql("REINDEX")
    sql("ANALYZE")
    sql("DROP TABLE own")
    sql("PRAGMA optimize")
    assert not is_held()


@case
def a_typed_checkpoint_is_no_foreign_change() -> None:
    Topic.objects.create(name="a")
    sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert lock().mark().content is not None
    assert opening.file_of(connection) is not None
    path = lock().store
    found = path.stat()
    assert lock().mark().content == (found.st_size, found.st_mtime_ns)


@case
def a_transaction_that_sqlite_undid_refuses_the_rest_and_begins_anew() -> None:
    Topic.objects.create(name="a")
    insert = "INSERT OR ROLLBACK INTO jottings_topic (name) VALUES (%s)"
    sql("BEGIN")
    sql(insert, ["b"])
    with raises(IntegrityError):
        sql(insert, ["a"])
    assert not is_held()
    with raises(DatabaseError, "undid"):
        sql(insert, ["c"])
    sql("BEGIN")
    sql(insert, ["d"])
    sql("COMMIT")
    assert names() == {"a", "d"}


@case
def a_transaction_that_nobody_ended_spoils_no_later_request() -> None:
    Topic.objects.create(name="a")
    sql("BEGIN")
    with raises(IntegrityError):
        sql("INSERT OR ROLLBACK INTO jottings_topic (name) VALUES ('a')")
    connection.close_if_unusable_or_obsolete()  # as each request does
    Topic.objects.create(name="b")
    assert names() == {"a", "b"}


# Reading while writing, threads, processes


@case
def rows_are_read_while_others_are_written() -> None:
    Topic.objects.bulk_create(Topic(name=str(number)) for number in range(300))
    for topic in Topic.objects.order_by("pk").iterator(chunk_size=1):
        topic.name += "!"
        topic.save()
    assert all(name.endswith("!") for name in names())


@contextmanager
def _as_role(role: Role) -> Iterator[None]:
    former = current_role()
    connections.close_all()
    set_role(role)
    try:
        yield
    finally:
        connections.close_all()
        set_role(former)


def _rows_are_read_while_others_write() -> None:
    Topic.objects.bulk_create(Topic(name=f"{number:03}") for number in range(20))
    topics: Any = Topic.objects.filter(name__lt="999").order_by("pk").iterator(chunk_size=1)
    changes: list[Callable[[Topic], object]] = [
        lambda topic: topic.save(),
        lambda topic: Topic.objects.filter(pk=topic.pk).update(name=f"{topic.name}!"),
        lambda topic: Topic.objects.bulk_update([topic], ["name"]),
        lambda topic: sql("INSERT INTO jottings_topic (name) VALUES (%s)", [f"own {topic.name}"]),
    ]
    for number, topic in enumerate(topics):
        in_thread(partial(Topic.objects.create, name=f"other {number}"))
        changes[number % len(changes)](topic)
    assert number == 19
    assert len(names()) == 20 + 20 + 5
    assert not is_held()


@case
def rows_are_read_while_they_are_written_and_others_write_too() -> None:
    _rows_are_read_while_others_write()


@case
def so_they_are_in_web_processes() -> None:
    with _as_role(Role.WEB), mock.patch.object(read_limit, "READ_AHEAD_ROWS", 3):
        _rows_are_read_while_others_write()


@case
def who_may_write_goes_on_with_a_transaction_that_began_where_nobody_may() -> None:
    Topic.objects.create(name="a")
    with _as_role(Role.WEB), override_settings(WRITE_OUTSIDE_WRITER="refuse"), transaction.atomic():
        assert names() == {"a"}
        with permission.allowed():
            Topic.objects.create(name="b")
    assert names() == {"a", "b"}


@case
def all_ways_of_fetching_go_on_after_others_have_written() -> None:
    Topic.objects.bulk_create(Topic(name=f"{number:03}") for number in range(20))
    with connection.cursor() as one, connection.cursor() as two, connection.cursor() as three:
        for cursor in (one, two, three):
            cursor.execute("SELECT name FROM jottings_topic ORDER BY name")
            assert cursor.fetchone() == ("000",)
        connection.cursor().close()
        in_thread(lambda: Topic.objects.create(name="other"))
        with connection.cursor() as cursor:
            rows: Any = ((name,) for name in ("a", "b"))
            cursor.executemany("INSERT INTO jottings_topic (name) VALUES (%s)", rows)
        assert one.fetchone() == ("001",)
        assert one.fetchmany(2) == [("002",), ("003",)]
        assert len(one.fetchall()) == 16
        assert [name for (name,) in two] == [f"{number:03}" for number in range(1, 20)]
        three.execute("SELECT count(*) FROM jottings_topic")
        assert three.fetchone() == (23,)
    assert {"a", "b", "other"} < names()


@case
def rows_that_are_fetched_past_djangos_cursor_are_named_when_they_stand_in_the_way() -> None:
    Topic.objects.bulk_create(Topic(name=f"{number:03}") for number in range(20))
    rows = connection.connection.execute("SELECT name FROM jottings_topic")
    rows.fetchone()
    in_thread(lambda: Topic.objects.create(name="other"))
    with raises(DatabaseError, "fetch all rows"), transaction.atomic():
        Topic.objects.create(name="a")
    assert not is_held()
    rows.close()
    Topic.objects.create(name="a")


def _with_rows_out_of_date(write: Callable[[], object]) -> None:
    Topic.objects.bulk_create(Topic(name=f"{number:03}") for number in range(20))
    topics: Any = Topic.objects.order_by("name").iterator(chunk_size=1)
    next(topics)
    in_thread(lambda: Topic.objects.create(name="other"))
    write()
    assert not is_held()
    assert [topic.name for topic in topics] == [f"{number:03}" for number in range(1, 20)]
    assert {"own", "other"} < names()


@case
def typed_transactions_write_although_rows_are_out_of_date() -> None:
    for begin, end in (("BEGIN", "COMMIT"), ("BEGIN EXCLUSIVE", "END"), ("SAVEPOINT s", "RELEASE s")):

        def write(begin: str = begin, end: str = end) -> None:
            sql(begin)
            Topic.objects.create(name="own")
            sql(end)

        clean("default")
        _with_rows_out_of_date(write)


@case
def so_do_transactions_without_autocommit() -> None:
    def write() -> None:
        transaction.set_autocommit(False)
        Topic.objects.create(name="own")
        transaction.set_autocommit(True)

    _with_rows_out_of_date(write)


@case
def so_do_scripts_once() -> None:
    insert = "INSERT INTO jottings_topic (name) VALUES ('own')"
    for script in (f"BEGIN; {insert}; COMMIT", f"CREATE TEMP TABLE once (x); {insert}; DROP TABLE once"):

        def write(script: str = script) -> None:
            with connection.cursor() as cursor:
                cursor.executescript(script)

        clean("default")
        _with_rows_out_of_date(write)


@case
def a_row_that_cannot_be_read_is_an_error_where_it_is_fetched() -> None:
    Topic.objects.bulk_create(Topic(name=f"{number:03}") for number in range(20))
    bad = "CASE name WHEN '010' THEN CAST(x'ff' AS TEXT) ELSE name END"
    ways: list[Callable[[Any], Any]] = [
        lambda cursor: cursor.fetchone(),
        lambda cursor: cursor.fetchmany(),
        lambda cursor: next(iter(cursor)),
    ]
    for number, fetch in enumerate(ways):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {bad} FROM jottings_topic WHERE name < '020' ORDER BY name")
            found = [cursor.fetchone()]
            in_thread(partial(Topic.objects.create, name=f"other {number}"))
            Topic.objects.create(name=f"own {number}")
            with raises(DatabaseError, "UTF-8"):
                while row := fetch(cursor):
                    found.append(row)
            assert len(found) == 10
            with raises(DatabaseError, "UTF-8"):
                cursor.fetchall()


@case
def rows_of_a_write_that_are_still_to_be_fetched_are_no_foreign_lock() -> None:
    insert = "INSERT INTO jottings_topic (name) VALUES ('a'), ('b') RETURNING name"
    sql("BEGIN")
    with connection.cursor() as cursor:
        for begin, end in (("SAVEPOINT s", "RELEASE s"), ("", "COMMIT")):
            cursor.execute(begin or "SELECT 1")
            cursor.execute(insert if begin else insert.replace("'a'", "'c'").replace("'b'", "'d'"))
            try:
                sql(end)
            except DatabaseError as exc:
                assert not isinstance(exc, StoreBusy), exc
                assert "SQL statements in progress" in str(exc)
            else:
                raise AssertionError(end)
            cursor.fetchall()
            sql(end)
    assert names() == {"a", "b", "c", "d"}


@case
def to_turn_on_the_log_that_is_on_waits_for_nobody() -> None:
    Topic.objects.create(name="a")
    statements = ("PRAGMA journal_mode=WAL;", "pragma main.journal_mode = 'wal'", "PRAGMA journal_mode(wal)")
    with transaction.atomic():
        Topic.objects.create(name="b")
        for statement in statements:
            with connections["same"].cursor() as cursor:
                cursor.execute(statement)
                assert cursor.fetchone() == ("wal",)


@case
def a_script_has_no_limit_of_a_read_before_it() -> None:
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n"
    with _as_role(Role.WEB), override_settings(WRITE_READ_TIME_LIMIT_SECONDS=0.01):
        sql("SELECT 1")
        until(lambda: time.monotonic() > read_limit.reading_of(connections["default"]).deadline)
        with connection.cursor() as cursor:
            cursor.executescript(f"CREATE TEMP TABLE own AS {rows}; DROP TABLE own")


class _Interrupted(Exception):
    """What a signal raises."""


class _Interrupting:
    """Raises it at one of the places in the lock's own modules where Python handles signals.

    That is where a function begins, and behind a call of one that is written in C. Profiles a thread.
    """

    def __init__(self, number: int) -> None:
        self._left = number
        self.place = ""

    def look(self, frame: types.FrameType, event: str, _: object) -> None:
        if event not in {"call", "c_return"} or not frame.f_code.co_filename.startswith(LOCK_FOLDER):
            return
        self._left -= 1
        if self._left < 0 and not self.place:
            self.place = f"{event} {frame.f_code.co_filename}:{frame.f_lineno}"
            raise _Interrupted


@case
def an_exception_of_a_signal_leaves_nothing_held() -> None:
    for number in count():
        connection.ensure_connection()
        interrupting = _Interrupting(number)
        sys.setprofile(interrupting.look)
        try:
            sql("INSERT INTO jottings_topic (name) VALUES (%s)", [number])
        except _Interrupted:
            pass
        finally:
            sys.setprofile(None)
        connection.close()
        assert not is_held(), interrupting.place
        in_thread(partial(Topic.objects.create, name=f"other {number}"))
        if not interrupting.place:
            break
    assert number > 40


# Processes that are forked


def _fork(call: Callable[[], object]) -> int:
    """Return the number of a process that is forked for this, and ends with 1 after an exception."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def _in_fork(call: Callable[[], object]) -> int:
    """Return the exit status of such a process."""
    return os.waitstatus_to_exitcode(os.waitpid(_fork(call), 0)[1])


@case
def a_fork_damages_nothing_that_another_thread_writes() -> None:
    written, go_on = threading.Event(), threading.Event()

    def write() -> None:
        sql("PRAGMA cache_size = 5")  # so that the transaction is in the log before it is committed
        with transaction.atomic():
            Jotting.objects.bulk_create(Jotting(text="x" * 200) for _ in range(3000))
            written.set()
            go_on.wait()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(in_thread, write)
        written.wait()
        assert _in_fork(connections.close_all) == 0
        assert is_held()
        go_on.set()
        writing.result()
    with closing(sqlite3.connect(lock().store)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("SELECT count(*) FROM jottings_jotting").fetchall() == [(3000,)]


@case
def a_fork_does_not_wait_for_a_statement_of_another_thread() -> None:
    running, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        running.set()
        go_on.wait()

    def write() -> None:
        connection.ensure_connection()
        connection.connection.create_function("wait", 0, wait)
        sql("INSERT INTO jottings_topic (name) SELECT 'a' WHERE wait() IS NULL")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(in_thread, write)
        running.wait()
        assert _in_fork(connections.close_all) == 0
        go_on.set()
        writing.result()
    assert names() == {"a"}


@case
def a_fork_leaves_the_transaction_that_it_was_made_in_to_its_parent() -> None:
    def refuse() -> None:
        with raises(DatabaseError, "forked"):
            Topic.objects.create(name="b")
        with raises(DatabaseError, "forked"):
            transaction.commit()
        with raises(DatabaseError, "forked"):
            transaction.rollback()
        connections.close_all()
        gc.collect()

    transaction.set_autocommit(False)
    try:
        Topic.objects.create(name="a")
        assert _in_fork(refuse) == 0
        assert is_held()
        Topic.objects.create(name="c")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert names() == {"a", "c"}


@case
def a_fork_that_may_not_write_any_more_is_told_so() -> None:
    is_over, say_so = os.pipe()

    def write() -> None:
        connections.close_all()
        sql("PRAGMA busy_timeout = 10")
        os.read(is_over, 1)
        with raises(DatabaseError, "was forked while its parent wrote"):
            Topic.objects.create(name="b")
        assert names() == {"a"}

    written, go_on = threading.Event(), threading.Event()

    def write_in_parent() -> None:
        with transaction.atomic():
            Topic.objects.create(name="a")
            written.set()
            go_on.wait()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(in_thread, write_in_parent)
        written.wait()
        child = _fork(write)
        go_on.set()
        writing.result()
    os.write(say_so, b"!")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(is_over)
    os.close(say_so)


@case
def a_fork_of_a_process_that_writes_nothing_writes() -> None:
    def write() -> None:
        connections.close_all()
        Topic.objects.create(name="b")

    Topic.objects.create(name="a")
    assert _in_fork(write) == 0
    assert names() == {"a", "b"}


@case
def the_log_is_not_moved_beneath_rows_that_are_being_read() -> None:
    # Larger than any log that is left alone, and the writes succeed.
    with override_settings(WRITE_CHECKPOINT_BYTES=65_536):
        Topic.objects.bulk_create(Topic(name=str(number)) for number in range(300))
        topics: Any = Topic.objects.iterator(chunk_size=1)
        next(topics)
        lock_of_process = opening.store_lock()
        assert lock_of_process is not None
        for number in range(100):
            lock_of_process.checkpoint_at = 0.0
            Jotting.objects.bulk_create(Jotting(text="x" * 200) for _ in range(40))
            assert Jotting.objects.count() == 40 * (number + 1)
        assert wal.size_bytes(lock().store) > 4 * 65_536
        topics.close()
        lock_of_process.checkpoint_at = 0.0
        Topic.objects.create(name="last")
        assert wal.size_bytes(lock().store) == 0


@case
def threads_write() -> None:
    def write(number: int) -> None:
        for each in range(20):
            with transaction.atomic():
                Topic.objects.create(name=f"{number}-{each}")
        connections.close_all()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Topic.objects.count() == 100


@case
def a_thread_that_ends_in_a_transaction_gives_the_lock_back() -> None:
    def begin() -> None:
        transaction.atomic().__enter__()
        Topic.objects.create(name="a")

    thread = threading.Thread(target=begin)  # does not close its connection
    thread.start()
    thread.join()
    assert not is_held()
    Topic.objects.create(name="b")
    assert names() == {"b"}


@case
def a_connection_that_is_dropped_in_a_transaction_gives_the_lock_back() -> None:
    dropped = connection.copy()
    dropped.set_autocommit(False)
    dropped.cursor().execute("INSERT INTO jottings_topic (name) VALUES ('a')")
    assert is_held()
    del dropped
    gc.collect()
    assert not is_held()
    assert names() == set()


@case
def a_foreign_program_that_holds_sqlites_lock_is_named_as_such() -> None:
    Topic.objects.create(name="a")
    foreign = sqlite3.connect(lock().store, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    try:
        sql("PRAGMA busy_timeout = 10")
        with raises(StoreBusy, "does not take the store lock"):
            Topic.objects.create(name="b")
        with raises(StoreBusy, "does not take the store lock"), transaction.atomic():
            pass
    finally:
        foreign.close()
    Topic.objects.create(name="c")
    assert names() == {"a", "c"}


# Several databases


@case
def each_file_has_a_lock_of_its_own() -> None:
    with transaction.atomic():
        Topic.objects.create(name="a")
        assert is_held()
        assert not is_held("other")
        with transaction.atomic(using="other"):
            Topic.objects.using("other").create(name="b")
            assert is_held("other")
        assert not is_held("other")
    assert names() == {"a"}
    assert names("other") == {"b"}


@case
def two_aliases_of_a_file_have_one_lock() -> None:
    Topic.objects.using("same").create(name="a")
    with transaction.atomic():
        Topic.objects.create(name="b")
        assert is_held("same")
        # Waiting could not help, so it does not wait.
        with raises(StoreBusy, "two aliases"):
            Topic.objects.using("same").create(name="c")
    assert names("same") == {"a", "b"}


@case
def what_is_in_memory_or_only_read_is_left_alone() -> None:
    Topic.objects.create(name="a")
    assert names("read_only") == {"a"}
    for alias in ("memory", "shared_memory"):
        with connections[alias].schema_editor() as editor:
            editor.create_model(Topic)
        Topic.objects.using(alias).create(name="m")
        assert names(alias) == {"m"}
        assert opening.guard_of(connections[alias]) is None
    assert opening.guard_of(connections["read_only"]) is None
    with raises(DatabaseError, "readonly"):
        Topic.objects.using("read_only").create(name="b")


# Caches, sessions, requests


@case
def the_caches_work() -> None:
    call_command("createcachetable", verbosity=0)
    cache = caches["database"]
    cache.set("a", 1)
    assert cache.add("b", 2)
    assert cache.incr("a") == 2
    assert cache.get_many(["a", "b"]) == {"a": 2, "b": 2}
    cache.clear()
    caches["default"].set("a", 1)
    assert not is_held()


@case
def views_write_whatever_their_method() -> None:
    assert Client().get("/create/get").status_code == 200
    assert Client().post("/create/post").status_code == 200
    assert names() == {"get", "post"}


@case
def sessions_in_the_database_are_saved() -> None:
    client = Client()
    assert [client.get("/log-in").content for _ in range(3)] == [b"1", b"2", b"3"]
    assert Session.objects.count() == 1


@case
def a_streamed_response_writes() -> None:
    assert b"".join(Client().get("/stream/s")) == b"s-0s-1s-2"
    assert not is_held()
    assert names() == {"s-0", "s-1", "s-2"}


@case
def async_views_write() -> None:
    response = asyncio.run(AsyncClient().get("/create-async/a"))
    assert response.status_code == 200
    assert names() == {"a"}


@case
def requests_are_atomic_where_the_settings_say_so() -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert Client(raise_request_exception=False).get("/fail/undone").status_code == 500
        assert Client().get("/create/kept").status_code == 200
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert not is_held()
    assert names() == {"kept"}


@case
def connections_are_kept_or_closed_after_each_request() -> None:
    for age in (0, None):
        connection.settings_dict["CONN_MAX_AGE"] = age
        connection.close()
        for number in range(3):
            assert Client().get(f"/create/{age}-{number}").status_code == 200
            connection.close_if_unusable_or_obsolete()
    connection.settings_dict["CONN_MAX_AGE"] = 0
    assert len(names()) == 6


def clean(alias: str) -> None:
    Jotting.objects.using(alias).all().delete()
    Topic.objects.using(alias).all().delete()
    with suppress(DatabaseError), connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_sequence")


def run(function: Callable[[], None]) -> str:
    """Run a case on empty tables; return what went wrong."""
    sys.stderr.write(f"{function.__name__}\n")  # for whoever finds it hanging
    try:
        clean("default")
        clean("other")
        function()
        assert not is_held(), "the lock is still held"
        assert not is_held("other"), "the other lock is still held"
    except BaseException:
        return traceback.format_exc()
    finally:
        connections.close_all()
    return ""


if __name__ == "__main__":
    for database in ("default", "other"):
        call_command("migrate", database=database, verbosity=0)
    json.dump({name: run(function) for name, function in CASES.items()}, sys.stdout)
