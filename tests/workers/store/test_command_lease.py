"""A command's turn: it holds the lease while it writes, and gives it back when it does something else."""

import threading
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from tests.jottings.models import Topic
from tests.waiting import until
from workers import LeaseUnavailable, forbid_pause, release_command_lease
from workers.store.lease.command import command_lease
from workers.store.lease.lease import Lease, is_held

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    release_command_lease()
    yield
    command_lease.is_kept = False
    release_command_lease()


def lease_is_held() -> bool:
    return is_held(Lease().path)


def query_only() -> int:
    row: tuple[int] = connection.connection.execute("PRAGMA query_only").fetchone()
    return row[0]


def test_a_command_that_does_something_else_gives_the_lease_back_and_takes_it_again() -> None:
    Topic.objects.create(name="first")
    assert lease_is_held()

    until(lambda: not lease_is_held(), what="the lease to be given back")
    assert query_only() == 1

    Topic.objects.create(name="second")
    assert lease_is_held()
    assert Topic.objects.count() == 2


def test_reading_does_not_keep_the_lease() -> None:
    Topic.objects.create(name="first")

    def reads_and_looks() -> bool:
        Topic.objects.count()
        return not lease_is_held()

    until(reads_and_looks, what="the lease to be given back while the command reads")


@pytest.mark.parametrize("begin", ["atomic", "BEGIN"])
def test_an_open_transaction_keeps_the_lease(begin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.store.lease.command.IDLE_SECONDS", 0.01)
    looks = threading.Event()
    is_idle = command_lease._is_idle

    def look() -> bool:
        idle = is_idle()
        looks.set()
        return idle

    monkeypatch.setattr(command_lease, "_is_idle", look)
    if begin == "atomic":
        with transaction.atomic():
            Topic.objects.create(name="first")
            for _ in range(3):
                looks.clear()
                assert looks.wait(5)
            assert lease_is_held()
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for _ in range(3):
                looks.clear()
                assert looks.wait(5)
            assert lease_is_held()
            cursor.execute("ROLLBACK")
    until(lambda: not lease_is_held(), what="the lease to be given back after the transaction")


def test_a_migration_keeps_the_lease_between_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.store.lease.command.IDLE_SECONDS", 0.0)
    from django.db.models.signals import pre_migrate

    pre_migrate.send(sender=None, using="default")
    Topic.objects.create(name="a step")
    looks = threading.Event()

    def look() -> bool:
        looks.set()
        return type(command_lease)._is_idle(command_lease)

    monkeypatch.setattr(command_lease, "_is_idle", look)
    assert looks.wait(5)
    looks.clear()
    assert looks.wait(5)
    assert lease_is_held()

    call_command("migrate", verbosity=0)
    until(lambda: not lease_is_held(), what="the lease to be given back after the migration")


def test_no_connection_of_any_thread_stays_writable_without_the_lease() -> None:
    writes, ended = threading.Event(), threading.Event()
    seen: list[object] = []

    def write_and_stay() -> None:
        try:
            Topic.objects.create(name="in a thread")
            writes.set()
            ended.wait(10)
            seen.append(query_only())
            try:
                connection.connection.execute("INSERT INTO jottings_topic (name) VALUES ('beside the lease')")
            except Exception as exc:
                seen.append(type(exc).__name__)
        finally:
            connections.close_all()

    thread = threading.Thread(target=write_and_stay)
    thread.start()
    assert writes.wait(10)

    release_command_lease()
    ended.set()
    thread.join(10)

    assert seen == [1, "OperationalError"]


def test_a_write_after_that_asks_for_the_lease_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Topic.objects.create(name="first")
    release_command_lease()
    other = Lease()
    assert other.try_acquire(purpose="writer")
    monkeypatch.setattr(command_lease, "may_ask", True)
    forbid_pause()
    try:
        with pytest.raises(LeaseUnavailable):
            Topic.objects.create(name="second")
    finally:
        other.release()
    assert Topic.objects.count() == 1
