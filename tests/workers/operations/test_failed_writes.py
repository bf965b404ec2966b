import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from typing import Any
from uuid import UUID

import orjson
import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.writer_process import WRITER, running
from workers.models import Receipt
from workers.operations import retries
from workers.operations.retries import Families
from workers.stream import heartbeat
from workers.writes import WriteStatus, new_token

NOW = time.time_ns() // 100_000 * 100
N10, N11, N12, N13 = (NOW + number for number in range(10, 14))
"""Ids of this moment, where a writer is at work: it prunes receipts of long ago."""

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("failed_writes", *arguments, stdout=output)
    return output.getvalue()


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("--json"))
    return found


def failed(write_id: int, function: str = "jottings.add", **fields: Any) -> Receipt:
    """Set the scene: a write that failed."""
    arguments: dict[str, Any] = {"text": f"text {write_id % 100}"}
    if function == "jottings.add":
        arguments = {"data": arguments}
    values = {
        "status": WriteStatus.FAILED,
        "http_status": 500,
        "body": '{"code": "write_failed", "detail": "It broke."}',
        "traceback": "Traceback: [/red] ZeroDivisionError",
        "arguments": orjson.dumps(arguments).decode(),
        "principal": "7",
    }
    receipt: Receipt = Receipt.objects.create(
        write_id=write_id,
        token=new_token(),
        function=function,
        committed_at=timezone.now(),
        **(values | fields),
    )
    return receipt


@pytest.fixture
def start_writer(clean_redis: redis.Redis, transactional_db: None) -> Iterator[Callable[[], None]]:
    """Gives what starts a writer in a process of its own, once the scene is set."""
    with ExitStack() as stack:

        def start() -> None:
            stack.enter_context(running(WRITER))
            until(
                lambda: heartbeat.read(clean_redis) is not None, seconds=30, what="the writer to be at work"
            )

        yield start


def test_failed_writes_are_listed_newest_first() -> None:
    failed(10)
    failed(11, status=WriteStatus.COMMITTED)
    failed(12, function="jottings.add_then_raise")

    assert [(one["write_id"], one["function"]) for one in listed()] == [
        (12, "jottings.add_then_raise"),
        (10, "jottings.add"),
    ]
    assert [one["write_id"] for one in json.loads(run("--json", "--limit=1"))] == [12]
    assert "1 of 2." in run("--limit=1")


def test_without_failed_writes_the_list_says_so() -> None:
    assert run() == "No write has failed.\n"


def test_one_is_shown_with_all_that_its_receipt_holds() -> None:
    receipt = failed(10)

    shown = run("--show=10")

    for part in ("jottings.add", "It broke.", "text 10", receipt.traceback, str(UUID(str(receipt.token)))):
        assert part in shown
    everything = json.loads(run("--show=10", "--json"))
    assert (everything["principal"], everything["arguments"]) == ("7", {"data": {"text": "text 10"}})
    assert everything["traceback"] == receipt.traceback


def test_a_name_that_looks_like_markup_is_shown_as_it_is() -> None:
    failed(10, principal="[/red]")

    assert "[/red]" in run()


def test_at_80_columns_no_name_is_broken() -> None:
    failed(1795396118363154, function="notes.views:BadNoteViewSet.create")

    shown = run()

    assert max(map(len, shown.splitlines())) <= 80
    assert "notes.views:BadNoteViewSet.create" in shown
    assert "write_failed" in shown


def test_a_retry_is_a_new_write_that_refers_to_the_failed_one(start_writer: Callable[[], None]) -> None:
    failed(N10)
    start_writer()

    said = run("--retry", str(N10))

    assert texts() == ["text 10"]
    retried = Receipt.objects.get(retry_of=N10)
    assert (retried.function, retried.principal, retried.status) == ("jottings.add", "7", "committed")
    assert said == f"{N10} jottings.add: committed as {retried.pk}, status 201.\n1 retried: 1 committed.\n"
    assert listed()[0]["committed_as"] == retried.pk


def test_a_retry_that_fails_again_is_an_error(start_writer: Callable[[], None]) -> None:
    failed(N10, function="jottings.add_then_raise")
    failed(N11)
    start_writer()

    with pytest.raises(CommandError, match="Not all were committed: see why with --show and the new id"):
        run("--retry", str(N10), str(N11))

    assert texts() == ["text 11"]
    assert Receipt.objects.get(retry_of=N10).status == WriteStatus.FAILED


def test_all_are_retried_in_order_and_each_once(start_writer: Callable[[], None]) -> None:
    failed(N10)
    failed(N11, retry_of=N10)
    failed(N12)
    failed(N13, function="")
    start_writer()

    said = run("--retry-all")

    assert texts() == ["text 11", "text 12"]
    assert said.endswith("2 retried: 2 committed.\n")
    assert run("--retry-all") == "No failed write is left to retry.\n"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": WriteStatus.COMMITTED}, "it is not failed but committed"),
        ({"status": WriteStatus.REJECTED}, "it is not failed but rejected"),
        ({"function": ""}, "its entry could not be decoded"),
        ({"arguments": ""}, "its arguments were not kept"),
        ({"function": "jottings.gone"}, "no write function is named 'jottings.gone'"),
    ],
)
def test_what_cannot_be_retried_is_refused_with_its_reason(fields: dict[str, Any], reason: str) -> None:
    failed(10, **fields)
    failed(11)

    with pytest.raises(CommandError, match=f"Write 10 cannot be retried: {reason}.*Nothing was retried."):
        run("--retry", "10", "11")


@pytest.mark.parametrize("again", ["10", "11"])
def test_what_was_retried_and_committed_is_refused_whichever_of_its_family_is_named(again: str) -> None:
    failed(10)
    failed(11, retry_of=10)
    failed(12, retry_of=10, status=WriteStatus.COMMITTED)

    with pytest.raises(CommandError, match=f"Write {again} cannot be retried: .* committed as 12."):
        run("--retry", again)


def test_retries_of_one_another_are_refused_together() -> None:
    failed(10)
    failed(11, retry_of=10)

    with pytest.raises(CommandError, match="retries of one another"):
        run("--retry", "10", "11")


@pytest.mark.parametrize("option", ["--show", "--retry"])
def test_an_id_without_receipt_is_refused(option: str) -> None:
    with pytest.raises(CommandError, match="No receipt has the id 99"):
        run(option, "99")


def test_two_who_retry_the_same_write_have_one_effect(start_writer: Callable[[], None]) -> None:
    receipt = failed(N10)
    known = retries.families()
    first, second = retries.retry(receipt, known), retries.retry(receipt, known)
    first.accepted()
    second.accepted()
    start_writer()

    until(lambda: Receipt.objects.filter(retry_of=N10).exists())

    assert texts() == ["text 10"]


def test_a_retry_that_waits_without_a_writer_is_not_called_committed(clean_redis: redis.Redis) -> None:
    failed(10)

    with pytest.raises(CommandError, match="Not all were committed"):
        run("--retry", "10")


def test_without_redis_nothing_is_accepted(transactional_db: None) -> None:
    from workers.submission.client import end_submitter

    failed(10)
    end_submitter()
    try:
        with override_settings(REDIS_URL="unix:///nowhere/redis.sock"), pytest.raises(CommandError):
            run("--retry", "10")
    finally:
        end_submitter()

    assert not Receipt.objects.filter(retry_of=10).exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--limit=0", "use a whole number from 1 to 10000"),
        ("--limit=x", "use a whole number from 1 to 10000"),
        ("--show=0", "'0' is not a write's id"),
        ("--retry=x", "'x' is not a write's id"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(option: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(option)


def test_a_family_knows_its_members_and_which_of_them_was_committed() -> None:
    known = Families.of([(2, 1, "failed"), (3, 2, "failed"), (4, 1, "committed"), (6, 5, "rejected")])

    assert (known.root(3), known.root(4), known.root(7)) == (1, 1, 7)
    assert sorted(known.members(3)) == [1, 2, 3, 4]
    assert (known.committed(3), known.committed(6)) == (4, None)
