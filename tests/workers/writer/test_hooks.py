"""What write functions put off with `transaction.on_commit`."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection, transaction
from django.test import override_settings

from tests.jottings.models import Jotting, Topic
from tests.jottings.write_functions import texts
from tests.waiting import until
from workers import Result, Write, WriteRejected, submit, write_function
from workers.models import Receipt
from workers.registry import _functions
from workers.stream import heartbeat, redis_stream
from workers.writer import commit
from workers.writer.loop import Drained, Writer
from workers.writes import Outcome, WriteStatus, new_token

pytestmark = pytest.mark.django_db(transaction=True)

_ids = iter(range(1, 1_000_000))
ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    ran.clear()
    known = dict(_functions)
    yield
    _functions.clear()
    _functions.update(known)


def note(text: str) -> None:
    """Tell that a hook ran, and that what it waited for is durable at that moment."""
    assert not connection.in_atomic_block
    assert Jotting.objects.filter(text=text).exists()
    ran.append(text)


def define(name: str, hook: Callable[[str], Any], *, robust: bool = False) -> None:
    """Define a write function that adds a note and puts a hook off."""

    @write_function(name)
    def add(write: Write) -> Result:
        text = write.arguments["text"]
        Jotting.objects.create(text=text)
        transaction.on_commit(lambda: hook(text), robust=robust)
        return Result(http_status=201)


def write(function: str, text: str = "", **arguments: Any) -> Write:
    return Write(
        function=function, arguments={"text": text} | arguments, token=new_token(), write_id=next(_ids)
    )


def outcomes(*writes: Write) -> list[Outcome]:
    return [outcome for _, outcome in commit.commit_batch(writes)]


def kinds(found: Sequence[Outcome]) -> list[WriteStatus]:
    return [outcome.status for outcome in found]


def broken(text: str) -> None:
    ran.append(text)
    raise ZeroDivisionError("on purpose")


def test_hooks_run_after_the_commit_in_the_order_of_their_writes() -> None:
    define("hooks.note", note)

    got = outcomes(*(write("hooks.note", text) for text in "abc"))

    assert kinds(got) == [WriteStatus.COMMITTED] * 3
    assert ran == ["a", "b", "c"]


def test_a_hook_that_raises_changes_no_outcome_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    define("hooks.note", note)
    define("hooks.broken", broken)
    writes = [write("hooks.broken" if number % 6 == 0 else "hooks.note", str(number)) for number in range(54)]

    got = outcomes(*writes)

    assert kinds(got) == [WriteStatus.COMMITTED] * 54
    assert ran == [str(number) for number in range(54)]
    assert Receipt.objects.count() == 54
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 9
    assert f"write={writes[0].write_id} state=hook-failed function=hooks.broken" in said[0]


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), BaseException("odd"), RecursionError()])
def test_whatever_a_hook_raises_stays_with_it(error: BaseException) -> None:
    def raise_it(text: str) -> None:
        raise error

    define("hooks.note", note)
    define("hooks.odd", raise_it)

    got = outcomes(write("hooks.odd", "a"), write("hooks.note", "b"))

    assert kinds(got) == [WriteStatus.COMMITTED] * 2
    assert ran == ["b"]


def test_a_robust_hook_is_one_like_others() -> None:
    define("hooks.robust", note, robust=True)
    define("hooks.robust_and_broken", broken, robust=True)

    outcomes(write("hooks.robust_and_broken", "a"), write("hooks.robust", "b"))

    assert ran == ["a", "b"]


def test_the_hooks_of_what_was_undone_do_not_run() -> None:
    @write_function("hooks.undone_in_part")
    def undone_in_part(write: Write) -> Result:
        Jotting.objects.create(text="outer")
        transaction.on_commit(lambda: ran.append("outer"))
        try:
            with transaction.atomic():
                transaction.on_commit(lambda: ran.append("inner"))
                raise ValueError
        except ValueError:
            return Result()

    @write_function("hooks.rejected")
    def rejected(write: Write) -> Result:
        transaction.on_commit(lambda: ran.append("rejected"))
        raise WriteRejected(409, "no", "No.")

    outcomes(write("hooks.undone_in_part"), write("hooks.rejected"))

    assert ran == ["outer"]


def test_hooks_of_a_run_that_is_applied_together_run_too() -> None:
    @write_function("hooks.many")
    def one(write: Write) -> Result:
        return many([write])[0]

    @one.bulk
    def many(writes: Sequence[Write]) -> list[Result]:
        for each in writes:
            text = each.arguments["text"]
            Jotting.objects.create(text=text)
            transaction.on_commit(lambda text=text: note(text))  # type: ignore[misc]
            if text == "bad":
                raise WriteRejected(409, "bad", "Bad.")
        return [Result() for _ in writes]

    outcomes(write("hooks.many", "a"), write("hooks.many", "b"))
    assert ran == ["a", "b"]

    got = outcomes(write("hooks.many", "c"), write("hooks.many", "bad"), write("hooks.many", "d"))
    assert kinds(got) == [WriteStatus.COMMITTED, WriteStatus.REJECTED, WriteStatus.COMMITTED]
    assert ran == ["a", "b", "c", "d"]


def test_a_batch_that_commit_refuses_runs_each_hook_once() -> None:
    define("hooks.note", note)

    got = outcomes(write("hooks.note", "a"), write("jottings.add_to_missing_topic"), write("hooks.note", "b"))

    assert kinds(got) == [WriteStatus.COMMITTED, WriteStatus.REJECTED, WriteStatus.COMMITTED]
    assert ran == ["a", "b"]


@pytest.mark.sqlite
def test_a_store_that_cannot_commit_runs_no_hook_and_leaves_none_for_later() -> None:
    define("hooks.note", note)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")  # the disk is full
    try:
        with pytest.raises(OperationalError):
            commit.commit_batch([write("hooks.note", "x" * 200) for _ in range(500)])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")

    outcomes(write("hooks.note", "later"))

    assert ran == ["later"]


def test_a_write_that_is_sent_again_runs_no_hook_again() -> None:
    define("hooks.note", note)
    first = write("hooks.note", "a")

    outcomes(first)
    outcomes(first)

    assert ran == ["a"]


def test_a_hook_may_write_the_store_and_put_off_more() -> None:
    def write_more(text: str) -> None:
        with transaction.atomic():
            Topic.objects.create(name=text)
            transaction.on_commit(lambda: ran.append(f"after {text}"))
        transaction.on_commit(lambda: ran.append(f"at once {text}"))

    define("hooks.more", write_more)
    define("hooks.note", note)

    outcomes(write("hooks.more", "a"), write("hooks.note", "b"))

    assert ran == ["after a", "at once a", "b"]
    assert Topic.objects.filter(name="a").exists()


def begin(text: str) -> None:
    connection.cursor().execute("BEGIN")


@pytest.mark.parametrize(
    "leave_open",
    [
        lambda text: transaction.atomic().__enter__(),
        lambda text: transaction.set_autocommit(False),
        begin,
        lambda text: connection.close(),
        lambda text: connection.connection.close(),
    ],
)
def test_whatever_a_hook_leaves_behind_the_next_hook_and_batch_find_a_connection(
    leave_open: Callable[[str], Any],
) -> None:
    define("hooks.open", leave_open)
    define("hooks.note", note)

    outcomes(write("hooks.open", "a"), write("hooks.note", "b"))
    got = outcomes(write("hooks.note", "c"))

    assert kinds(got) == [WriteStatus.COMMITTED]
    assert ran == ["b", "c"]
    assert texts() == ["a", "b", "c"]


def hang(text: str) -> None:
    while True:
        pass


def hang_in_sql(text: str) -> None:
    connection.cursor().execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 0 FROM n) SELECT max(i) FROM n"
    )


@pytest.mark.parametrize("forever", [hang, hang_in_sql])
@override_settings(WRITE_TIME_LIMIT_SECONDS=0.1)
def test_a_hook_that_hangs_is_cut_off(
    forever: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    define("hooks.hang", forever)
    define("hooks.note", note)

    got = outcomes(write("hooks.hang", "a"), write("hooks.note", "b"))

    assert kinds(got) == [WriteStatus.COMMITTED] * 2
    assert ran == ["b"]
    assert "state=hook-failed function=hooks.hang" in caplog.text


@override_settings(WRITE_TIME_LIMIT_SECONDS=0.5)
def test_the_hooks_of_one_write_share_its_time(caplog: pytest.LogCaptureFixture) -> None:
    @write_function("hooks.hang_often")
    def hang_often(write: Write) -> Result:
        for _ in range(3):
            transaction.on_commit(lambda: hang(""))
        return Result()

    define("hooks.note", note)

    outcomes(write("hooks.hang_often"), write("hooks.note", "b"))

    assert ran == ["b"]
    assert "state=hook-skipped function=hooks.hang_often" in caplog.text


def test_hooks_tell_the_watchdog_that_the_writer_is_alive() -> None:
    define("hooks.note", note)
    at: list[int] = []

    commit.commit_batch(
        [write("hooks.note", "a"), write("hooks.note", "b")], on_progress=lambda: at.append(len(ran))
    )

    assert at[-2:] == [0, 1]


def test_a_hook_of_a_handler_of_a_signal_is_one_like_others() -> None:
    from django.db.models.signals import post_save

    def receive(instance: Jotting, **_: Any) -> None:
        transaction.on_commit(lambda: note(instance.text))

    post_save.connect(receive, sender=Jotting)
    try:
        outcomes(write("jottings.add", data={"text": "a"}))
    finally:
        post_save.disconnect(receive, sender=Jotting)

    assert ran == ["a"]


def test_what_hooks_do_happens_in_the_writers_process() -> None:
    define("hooks.pid", lambda text: ran.append(str(os.getpid())))

    outcomes(write("hooks.pid", "a"))

    assert ran == [str(os.getpid())]


def test_the_writer_acknowledges_a_batch_whose_hooks_raise(writer: Writer, clean_redis: redis.Redis) -> None:
    define("hooks.note", note)
    define("hooks.broken", broken)
    for number in range(54):
        name = "hooks.broken" if number % 6 == 0 else "hooks.note"
        submit(name, {"text": str(number)}, announced=False).accepted()

    writer.drain()

    assert ran == [str(number) for number in range(54)]
    assert set(Receipt.objects.values_list("status", flat=True)) == {"committed"}
    assert redis_stream.length(clean_redis) == 0


def test_a_hook_may_hand_over_another_write(writer: Writer) -> None:
    define(
        "hooks.submit",
        lambda text: submit("jottings.add", {"data": {"text": "follows"}}, announced=False).accepted(),
    )
    submit("hooks.submit", {"text": "leads"}, announced=False).accepted()

    while writer.drain() is not Drained.EMPTY:
        pass

    assert texts() == ["leads", "follows"]


@override_settings(WRITE_TIME_LIMIT_SECONDS=60)  # a loaded machine may take longer than the usual limit
def test_a_hook_that_takes_long_does_not_keep_its_batch_waiting(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    """The web process finds the outcome in its receipt when nothing is announced."""
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    answers: list[Outcome | None] = []
    define("hooks.slow", lambda text: ran.append(str(bool(until(lambda: answers, seconds=30)))))
    submission = submit("hooks.slow", {"text": "a"})
    submission.accepted()

    def wait() -> None:
        answers.append(submission.wait(40))
        connection.close()

    waiting = threading.Thread(target=wait)
    waiting.start()
    writer.drain()
    waiting.join()

    assert ran == ["True"]
    assert answers[0] is not None
    assert answers[0].http_status == 201


@pytest.mark.django_db(transaction=False)
def test_within_the_transaction_of_a_test_case_hooks_stay_for_who_captures_them(
    django_capture_on_commit_callbacks: Any,
) -> None:
    define("hooks.keep", ran.append)
    transaction.on_commit(lambda: ran.append("put off by the test"))

    with django_capture_on_commit_callbacks() as captured:
        outcomes(write("hooks.keep", "a"), write("jottings.add_then_raise", "b"), write("hooks.keep", "c"))

    assert ran == []
    for hook in captured:
        hook()
    assert ran == ["a", "c"]
    assert texts() == ["a", "c"]
