"""What a write that is applied at once does to the transaction of its test, and that to it."""

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from tests.jottings.models import Jotting
from tests.jottings.write_functions import texts
from workers import Outcome, Result, Submission, Write, submit, write_function
from workers.registry import _functions
from workers.testing import SubmittedInTransaction
from workers.testing.at_once import NotInTests, TransactionOfTestLost

pytestmark = pytest.mark.usefixtures("writes_at_once")
commits = pytest.mark.django_db(transaction=True)
both = pytest.mark.parametrize(
    "_",
    [
        pytest.param(0, marks=pytest.mark.django_db(transaction=False), id="in a TestCase"),
        pytest.param(0, marks=commits, id="with commits"),
    ],
)


@pytest.fixture(autouse=True)
def _functions_of_its_own() -> Iterator[None]:
    known = dict(_functions)
    yield
    _functions.clear()
    _functions.update(known)


def define(name: str, then: Callable[[str], Any]) -> None:
    """Define a write function that adds a jotting, and does something after it."""

    @write_function(name)
    def add(write: Write) -> Result:
        Jotting.objects.create(text=write.arguments["text"])
        then(write.arguments["text"])
        return Result(http_status=201)


def add(text: str) -> Submission:
    return submit("jottings.add", {"data": {"text": text}})


def outcome(function: str, text: str = "a") -> Outcome:
    found = submit(function, {"text": text}).wait(0)
    assert found is not None
    return found


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_testcase_undoes_what_its_writes_did(db: None, attempt: int) -> None:
    add("a")

    assert texts() == ["a"]


@commits
def test_what_is_written_is_committed_where_the_test_has_no_transaction() -> None:
    add("a")

    def read() -> None:
        found.extend(texts())
        connection.close()

    found: list[str] = []
    thread = threading.Thread(target=read)
    thread.start()
    thread.join(10)
    assert found == ["a"]


@both
def test_a_write_within_a_transaction_of_the_caller_is_refused(_: int) -> None:
    with pytest.raises(SubmittedInTransaction, match="Submit after the block"), transaction.atomic():
        add("a")

    add("b")
    assert texts() == ["b"]


def test_hooks_wait_for_who_captures_them_in_a_testcase(
    db: None, django_capture_on_commit_callbacks: Any
) -> None:
    ran: list[str] = []
    transaction.on_commit(lambda: ran.append("the test's own, from before"))
    define("hooks.later", lambda text: transaction.on_commit(lambda: ran.append(text)))

    with django_capture_on_commit_callbacks(execute=True) as captured:
        outcome("hooks.later", "a")
        outcome("jottings.add_then_raise", "b")
        assert ran == []

    assert (ran, len(captured)) == (["a"], 1)


@commits
def test_hooks_run_after_the_commit_and_change_no_outcome() -> None:
    ran: list[str] = []

    def hook(text: str) -> None:
        assert not connection.in_atomic_block
        ran.append(text)
        raise ZeroDivisionError

    define("hooks.break", lambda text: transaction.on_commit(lambda: hook(text)))

    assert outcome("hooks.break").http_status == 201
    assert ran == ["a"]


@both
def test_what_a_write_function_submits_is_committed_after_its_own_write(_: int) -> None:
    submitted: list[Any] = []
    define("nested.add", lambda text: submitted.append((add("inner"), add("inner").wait(10))))

    assert outcome("nested.add", "outer").http_status == 201
    assert texts() == ["outer", "inner", "inner"]
    [(submission, at_that_time)] = submitted
    assert at_that_time is None  # in the writer too it could not have one before its batch was committed
    assert submission.wait(0).http_status == 201


def test_a_write_that_ends_the_transaction_of_its_test_says_which_tests_can_do_that(db: None) -> None:
    define("bad.close", lambda text: connection.close())

    with pytest.raises(TransactionOfTestLost, match="use TransactionTestCase"):
        submit("bad.close", {"text": "a"})


def test_in_a_service_nothing_is_applied_at_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mail, "outbox")  # by which Django's test environment is known

    with pytest.raises(NotInTests, match="remove WRITE_SUBMITTER"):
        add("a")
    assert texts() == []


def test_a_timer_of_the_test_goes_on_after_a_write(db: None) -> None:
    former = signal.getitimer(signal.ITIMER_REAL)  # that of pytest-timeout
    signal.setitimer(signal.ITIMER_REAL, 1_000)
    try:
        add("a")
        left, _ = signal.getitimer(signal.ITIMER_REAL)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *former)

    assert 900 < left <= 1_000
