"""PostgreSQL as the store: who writes now, who is the writer, and what becomes of one that was cut off."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import RequestFactory, override_settings

from tests.jottings.models import Jotting
from tests.jottings.write_functions import texts
from tests.waiting import until
from workers import Result, Write, WriteOutsideWriter, is_store_error, write_function
from workers.exceptions import LeaseLost, StoreBusy, TransactionTimedOut
from workers.models import Receipt
from workers.registry import _functions
from workers.store import opening, server
from workers.store.lease import held_by
from workers.store.lock.purpose import request_in_hand
from workers.store.permission import allowed
from workers.store.roles import Role, current_role, set_role
from workers.writer import commit
from workers.writes import decode, encode, new_token

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"


@pytest.fixture(autouse=True)
def _fresh_connection() -> Iterator[None]:
    role = current_role()
    yield
    set_role(role)
    connections.close_all()
    guard = opening.server_guard_of(connection)
    guard.check = guard.reopened = None


def waiting() -> int:
    """Return how many wait for the lock. In a thread: within a transaction the view does not change."""

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(SLEEPERS)
            return int(cursor.fetchone()[0])

    with ThreadPoolExecutor(1) as pool:
        return int(in_thread(pool, count).result(20))


def in_thread(pool: ThreadPoolExecutor, act: Any) -> Any:
    def run() -> Any:
        try:
            return act()
        finally:
            connections.close_all()

    return pool.submit(run)


def add(text: str) -> None:
    Jotting.objects.create(text=text)


def writes(count: int) -> list[Write]:
    return [
        decode(
            n,
            encode(Write(function="jottings.add", arguments={"data": {"text": str(n)}}, token=new_token())),
        )
        for n in range(1, count + 1)
    ]


def test_whoever_writes_waits_for_whoever_writes() -> None:
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            add("first")
            later = in_thread(pool, lambda: add("second"))
            until(lambda: waiting() == 1, seconds=20, what="the other one to wait")
            assert not later.done()
        later.result(20)

    assert texts() == ["first", "second"]


@pytest.mark.parametrize("role", [Role.COMMAND, Role.WEB, Role.WRITER])
def test_the_server_gives_up_whoever_is_cut_off_whatever_it_is(role: Role) -> None:
    connection.close()
    set_role(role)
    with connection.cursor() as cursor:
        # Not their values: those of TCP read as zero at a socket of Unix, which nothing can cut off.
        cursor.execute("SELECT name FROM pg_settings WHERE source = 'session'")
        told = {name for (name,) in cursor.fetchall()}

    assert {"tcp_user_timeout", "tcp_keepalives_idle", "client_connection_check_interval"} <= told


def test_what_a_transaction_read_is_not_out_of_date_when_it_writes() -> None:
    add("0")

    def count_on() -> None:
        for _ in range(20):
            with transaction.atomic():
                one = Jotting.objects.get()
                one.text = str(int(one.text) + 1)
                one.save()

    with ThreadPoolExecutor(4) as pool:
        for future in [in_thread(pool, count_on) for _ in range(4)]:
            future.result(60)

    assert texts() == ["80"]


def test_reads_outside_of_a_transaction_wait_for_nobody() -> None:
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        add("not yet there")
        assert in_thread(pool, texts).result(20) == []


@override_settings(WRITE_LOCK_WAIT_SECONDS=0.2)
def test_a_wait_has_an_end_that_names_who_writes() -> None:
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        add("a")
        with pytest.raises(StoreBusy, match=r"pid \d+, since .* writes the store"):
            in_thread(pool, lambda: add("b")).result(20)

    assert texts() == ["a"]


def test_a_savepoint_that_was_undone_gives_no_lock_away() -> None:
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                add("undone")
                raise ZeroDivisionError
            add("a")
            later = in_thread(pool, lambda: add("b"))
            until(lambda: waiting() == 1, seconds=20, what="the other one to wait")
        later.result(20)

    assert texts() == ["a", "b"]


def test_what_no_transaction_may_hold_is_run_with_the_lock_for_a_session() -> None:
    connection.cursor().execute("VACUUM jottings_jotting")

    with ThreadPoolExecutor(1) as pool:
        in_thread(pool, lambda: add("a")).result(20)  # it was given back


def test_a_command_that_keeps_the_lock_keeps_others_waiting_between_its_transactions() -> None:
    with ThreadPoolExecutor(1) as pool:
        with opening.kept(connection):
            add("a")
            later = in_thread(pool, lambda: add("c"))
            until(lambda: waiting() == 1, seconds=20, what="the other one to wait")
            add("b")
        later.result(20)

    assert texts() == ["a", "b", "c"]


@override_settings(WRITE_OUTSIDE_WRITER="refuse")
def test_a_web_process_may_not_write_but_where_it_is_allowed() -> None:
    connections.close_all()
    set_role(Role.WEB)

    with pytest.raises(WriteOutsideWriter):
        add("a")
    with pytest.raises(WriteOutsideWriter), transaction.atomic():
        add("b")
    with allowed():
        add("c")
        with transaction.atomic():
            add("d")
    with pytest.raises(WriteOutsideWriter):
        add("e")

    assert texts() == ["c", "d"]


def test_a_view_that_may_write_while_its_role_may_not_is_told_what_to_set() -> None:
    connection.cursor().execute("CREATE ROLE reader; GRANT pg_read_all_data TO reader")
    set_role(Role.WEB)
    try:
        with pytest.raises(WriteOutsideWriter, match=r"permission denied .*Let DATABASE_URL"), allowed():
            connection.connection.execute("SET ROLE reader")
            add("a")
        assert texts() == []
    finally:
        connection.close()
        set_role(Role.COMMAND)
        connection.cursor().execute("DROP ROLE reader")


@override_settings(WRITE_LOCK_HOLD_SECONDS=0.3)
@pytest.mark.parametrize("way", ["idle", "busy"])
def test_a_request_that_holds_the_lock_for_too_long_is_cut_off(way: str) -> None:
    token = request_in_hand.set(RequestFactory().post("/slow"))
    try:
        with pytest.raises(TransactionTimedOut, match="POST /slow held the store lock"), transaction.atomic():
            add("a")
            if way == "busy":
                connection.cursor().execute("SELECT pg_sleep(20)")
            with ThreadPoolExecutor(1) as pool:
                until(lambda: in_thread(pool, lambda: opening.lock_holder()).result(20) is None,
                      seconds=20, what="the server to end it")  # fmt: skip
            add("b")
    finally:
        request_in_hand.reset(token)
    connection.close()

    assert texts() == []


class TestLease:
    """`take` makes this thread's connection the writer's, as leadership does."""

    def take(self) -> Any:
        lease = lease_class()()
        # The server may not have seen yet that the connection of the test before is closed.
        until(lambda: lease.try_acquire(purpose="writer"), seconds=20, what="the lease")
        set_role(Role.WRITER)
        lease.begin_to_write()
        return lease

    def test_one_connection_holds_it(self) -> None:
        lease = self.take()

        with ThreadPoolExecutor(1) as pool:
            assert not in_thread(pool, lambda: lease_class()().try_acquire(purpose="writer")).result(20)
            lease.release()
            assert in_thread(pool, lambda: lease_class()().try_acquire(purpose="writer")).result(20)

    def test_it_goes_with_the_connection_and_whoever_was_cut_off_commits_nothing(self) -> None:
        lease = self.take()
        backend = connection.connection.info.backend_pid
        with ThreadPoolExecutor(1) as pool:
            in_thread(pool, lambda: end_backend(backend)).result(20)
            successor = lease_class()()
            until(lambda: pool.submit(lambda: successor.try_acquire(purpose="writer")).result(20),
                  seconds=20, what="the successor")  # fmt: skip

            with pytest.raises(OperationalError):
                commit.commit_batch(writes(2))
            connection.close()
            with pytest.raises(LeaseLost):
                commit.commit_batch(writes(2))
            in_thread(pool, connections.close_all).result(20)

        assert not lease.is_intact()
        set_role(Role.COMMAND)
        assert texts() == []

    def test_an_epoch_that_ended_lets_nothing_be_committed_although_the_connection_lives(self) -> None:
        lease = self.take()
        commit.commit_batch(writes(1))
        with ThreadPoolExecutor(1) as pool:
            in_thread(
                pool, lambda: connection.cursor().execute("UPDATE workers_lease SET epoch = epoch + 1")
            ).result(20)

        with pytest.raises(LeaseLost):
            commit.commit_batch(writes(2))

        assert not lease.is_intact()
        set_role(Role.COMMAND)
        assert Receipt.objects.count() == 1

    def test_a_writer_whose_connection_was_cut_goes_on_when_nobody_took_the_lease(self) -> None:
        lease = self.take()
        end_own_backend()

        with pytest.raises(OperationalError):
            commit.commit_batch(writes(2))
        connection.close()
        commit.commit_batch(writes(2))

        assert lease.is_intact()
        assert texts() == ["1", "2"]

    def test_who_holds_it_is_told(self) -> None:
        assert held_by() is None
        lease = self.take()
        holder = held_by()
        assert holder is not None and holder.is_writer
        lease.release()
        set_role(Role.COMMAND)
        assert held_by() is None


def lease_class() -> Any:
    return server.module("lease").AdvisoryLease


def end_backend(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


def end_own_backend() -> None:
    backend = connection.connection.info.backend_pid
    with ThreadPoolExecutor(1) as pool:
        in_thread(pool, lambda: end_backend(backend)).result(20)


STATEMENTS = [
    "SELECT 1",
    "  -- why\n SELECT 1",
    "(SELECT 1) UNION (SELECT 2)",
    "VALUES (1)",
    "TABLE jottings_jotting",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "WITH a AS (INSERT INTO jottings_jotting (text) VALUES ('x') RETURNING id) SELECT * FROM a",
    "WITH a AS (DELETE FROM jottings_jotting RETURNING id) SELECT * FROM a",
    "WITH a AS (UPDATE jottings_jotting SET text = 'y' RETURNING id) SELECT * FROM a",
    "SELECT * FROM jottings_jotting FOR UPDATE",
    "SELECT * FROM jottings_jotting FOR NO KEY UPDATE",
    "SELECT * FROM jottings_jotting FOR SHARE",
    "SELECT * INTO copy FROM jottings_jotting",
    "CREATE TABLE copy AS SELECT 1",
    "EXPLAIN SELECT 1",
    "EXPLAIN DELETE FROM jottings_jotting",
    "EXPLAIN (ANALYZE) DELETE FROM jottings_jotting",
    "EXPLAIN ANALYZE INSERT INTO jottings_jotting (text) VALUES ('x')",
    "INSERT INTO jottings_jotting (text) VALUES ('x')",
    "/* a */ UPDATE jottings_jotting SET text = 'y'",
    "DELETE FROM jottings_jotting",
    "TRUNCATE jottings_jotting",
    "MERGE INTO jottings_jotting j USING (VALUES (1)) s (id) ON j.id = s.id WHEN MATCHED THEN DELETE",
    "ALTER TABLE jottings_jotting ADD COLUMN more text",
    "DROP TABLE jottings_jotting",
    "COMMENT ON TABLE jottings_jotting IS 'x'",
    "CREATE INDEX ON jottings_jotting (text)",
    "GRANT SELECT ON jottings_jotting TO public",
    "LOCK TABLE jottings_jotting IN EXCLUSIVE MODE",
    "SHOW work_mem",
    "SELECT nextval('jottings_jotting_id_seq')",
    "SELECT 1; DELETE FROM jottings_jotting",
    "SET LOCAL work_mem = '8MB'",
    "DECLARE one CURSOR FOR SELECT 1",
    "SAVEPOINT a",
]

TAKEN_FOR_READS = {"SELECT nextval('jottings_jotting_id_seq')"}
"""A function that writes is not seen from outside."""


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_writes_is_what_postgresql_refuses_in_a_transaction_that_only_reads(statement: str) -> None:
    statements = server.module("statements")
    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as raw:
        raw.execute("BEGIN READ ONLY")
        try:
            raw.execute(statement)
            refused = False
        except psycopg.errors.ReadOnlySqlTransaction:
            refused = True
        except psycopg.Error as exc:
            refused = False
            assert isinstance(exc, psycopg.errors.FeatureNotSupported | psycopg.errors.SyntaxError), exc
        raw.execute("ROLLBACK")

    if statement not in TAKEN_FOR_READS and refused:
        assert statements.writes(statement)
    if not refused and not statement.startswith(("LOCK", "SELECT * FROM", "EXPLAIN")):
        assert not statements.writes(statement)


def meets(state: str) -> Write:
    return decode(3, encode(Write(function="fence.meet", arguments={"state": state}, token=new_token())))


@pytest.fixture
def _meet() -> Iterator[None]:
    known = dict(_functions)

    @write_function("fence.meet")
    def meet(write: Write) -> Result:
        state = write.arguments["state"]
        connection.cursor().execute(f"DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '{state}'; END $$")
        return Result()

    yield
    _functions.clear()
    _functions.update(known)


@pytest.mark.usefixtures("_meet")
@pytest.mark.parametrize("state", ["XX000", "XX001", "XX002", "58P01"])
def test_what_is_damaged_fails_the_write_that_met_it_and_keeps_no_other_waiting(state: str) -> None:
    settled = commit.commit_batch([*writes(2), meets(state)])

    assert [outcome.http_status for _, outcome in settled] == [201, 201, 500]
    assert texts() == ["1", "2"]


@pytest.mark.usefixtures("_meet")
@pytest.mark.parametrize("state", ["58030", "53100", "53200", "57P01", "40001", "08006"])
def test_what_passes_keeps_the_whole_batch_waiting(state: str) -> None:
    with pytest.raises(DatabaseError):
        commit.commit_batch([*writes(2), meets(state)])

    assert texts() == [] and not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("state", "is_of_store"), [("XX000", False), ("XX001", True), ("58P01", True), ("53300", True)]
)
def test_a_read_that_meets_damage_is_called_an_error_of_the_store(state: str, is_of_store: bool) -> None:
    with pytest.raises(DatabaseError) as met:
        connection.cursor().execute(f"DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '{state}'; END $$")

    assert is_store_error(met.value) is is_of_store
