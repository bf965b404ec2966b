"""Writes that wait: shown as they are, and cancelled so that each ends with a receipt."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from django.db import OperationalError

from tests.jottings.write_functions import texts
from tests.workers.submitting import accepted, add, in_thread
from workers import QueueUnavailable, StreamOfAnotherStore, WriteStatus, submit
from workers.models import Receipt
from workers.operations.waiting import WaitingWrite, cancel, waiting
from workers.stream import cancellations, heartbeat, keys, redis_stream
from workers.stream.cancellations import Cancelled
from workers.submission.idempotency import Idempotency
from workers.writer import commit
from workers.writer.loop import Writer
from workers.writes import Write


def codes() -> list[tuple[int, str]]:
    receipts = Receipt.objects.filter(status=WriteStatus.REJECTED).order_by("pk")
    return [(receipt.http_status, receipt.json()["code"]) for receipt in receipts]


def shown() -> list[tuple[str, bool, bool]]:
    return [(write.function, write.is_read, write.is_cancelled) for write in waiting(count=10)]


def test_what_waits_is_shown_in_order_and_stays(writer: Writer) -> None:
    first = submit("jottings.add", {"data": {"text": "a"}}, principal="7", announced=False).accepted()
    others = [accepted("b"), accepted("c")]

    [one, two] = waiting(count=2)

    assert (one.write_id, one.function, one.principal) == (first, "jottings.add", "7")
    assert one.size_bytes > 50
    assert one.accepted_at.timestamp() * 1e6 == pytest.approx(first, abs=2)
    assert two.write_id == others[0]
    assert [write.write_id for write in waiting(after=others[0], count=2)] == others[1:]
    writer.drain()
    assert texts() == ["a", "b", "c"]
    assert waiting(count=2) == []


def test_a_cancelled_write_is_rejected_in_its_place_and_the_others_are_committed(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    accepted("a")
    second = accepted("b")
    accepted("c")

    assert cancel([second]) == {second: Cancelled.IN_TIME}
    assert [is_cancelled for _, _, is_cancelled in shown()] == [False, True, False]
    assert texts() == []  # it still waits for the writer, which gives it its receipt
    writer.drain()

    assert texts() == ["a", "c"]
    assert codes() == [(409, "cancelled")]
    assert Receipt.objects.get(status=WriteStatus.REJECTED).pk == second
    assert Receipt.objects.count() == 3
    assert redis_stream.length(clean_redis) == 0
    assert not clean_redis.exists(keys.cancelled())


def test_who_waits_for_a_cancelled_write_is_told(writer: Writer, clean_redis: redis.Redis) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    submission = add("a")
    write_id = submission.accepted()
    outcome_of = in_thread(lambda: submission.wait(600))

    cancel([write_id])
    writer.drain()

    outcome = outcome_of()
    assert outcome is not None
    assert (outcome.write_id, outcome.status, outcome.http_status) == (write_id, WriteStatus.REJECTED, 409)
    assert "cancelled before it was applied" in outcome.json()["detail"]


def test_cancelled_before_any_writer_was_at_work_it_is_rejected_by_the_first(
    clean_redis: redis.Redis, transactional_db: None
) -> None:
    clean_redis.xgroup_destroy(keys.stream(), redis_stream.group())
    write_id = accepted("a")

    assert cancel([write_id]) == {write_id: Cancelled.IN_TIME}
    assert shown() == [("jottings.add", False, True)]
    Writer().drain()

    assert texts() == []
    assert codes() == [(409, "cancelled")]


def test_what_does_not_wait_cannot_be_cancelled(writer: Writer, clean_redis: redis.Redis) -> None:
    committed = accepted("a")
    writer.drain()

    assert cancel([committed, 7]) == {committed: Cancelled.GONE, 7: Cancelled.GONE}
    assert not clean_redis.exists(keys.cancelled())
    assert cancel([]) == {}


def test_a_write_that_is_being_applied_is_committed_all_the_same(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_id = accepted("a")
    commit_batch, met = commit.commit_batch, {}

    def cancelled_meanwhile(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        met.update(cancel([write_id]))
        assert shown() == [("jottings.add", True, True)]
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", cancelled_meanwhile)
    writer.drain()

    assert met == {write_id: Cancelled.READ}
    assert texts() == ["a"]
    assert codes() == []
    monkeypatch.undo()
    accepted("b")
    writer.drain()
    assert texts() == ["a", "b"]
    assert not clean_redis.exists(keys.cancelled())  # what came too late is forgotten with the next batch


def test_a_write_that_fails_with_its_store_can_be_cancelled(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is too large for the disk: it is tried again without end."""
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.0,))
    write_id = accepted("too large")
    accepted("b")
    commit_batch, attempts = commit.commit_batch, []

    def full(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        attempts.append(len(writes))
        if len(attempts) == 3:
            assert cancel([write_id]) == {write_id: Cancelled.READ}
        if not any(options["is_cancelled"](write) for write in writes):
            raise OperationalError("database or disk is full")
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", full)
    writer.drain()

    assert attempts == [2, 2, 2, 2]
    assert texts() == ["b"]
    assert codes() == [(409, "cancelled")]


def test_a_write_that_was_committed_before_the_writer_died_is_not_cancelled(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_id = accepted("a")

    def die(*args: Any, **options: Any) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr("workers.stream.outcomes.announce", die)
    with pytest.raises(SystemExit):
        writer.drain()
    monkeypatch.undo()
    assert cancel([write_id]) == {write_id: Cancelled.READ}
    Writer().drain()

    assert texts() == ["a"]
    assert [receipt.status for receipt in Receipt.objects.all()] == [WriteStatus.COMMITTED]


def test_a_write_that_kills_its_writer_can_be_cancelled(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_id = accepted("killer")

    def die(*args: Any, **options: Any) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(commit, "commit_batch", die)
    with pytest.raises(SystemExit):
        writer.drain()
    monkeypatch.undo()
    cancel([write_id])
    Writer().drain()

    assert texts() == []
    assert codes() == [(409, "cancelled")]


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the second"])
def test_a_write_that_was_sent_twice_is_cancelled_once(
    writer: Writer, clean_redis: redis.Redis, which: int
) -> None:
    """Both have one outcome, under the id of the first, whichever of the two entries is cancelled."""
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    once = Idempotency(token=uuid.uuid4().hex, fingerprint="a" * 32)
    submissions = [add("a", once=once), add("a", once=once)]
    ids = [submission.accepted() for submission in submissions]
    entries = [write.write_id for write in waiting(count=10)]
    assert len(entries) == 2
    outcomes_of = [in_thread(lambda one=one: one.wait(600)) for one in submissions]  # type: ignore[misc]

    cancel([entries[which]])
    writer.drain()

    assert texts() == []
    outcomes = [outcome_of() for outcome_of in outcomes_of]
    assert [(one.write_id, one.http_status) for one in outcomes if one] == [(ids[0], 409)] * 2
    assert list(Receipt.objects.values_list("pk", flat=True)) == [ids[0]]


def test_a_batch_whose_cancellations_cannot_be_asked_for_is_kept(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read again it would count as a delivery, of which a write has few."""
    write_id = accepted("a")
    cancel([write_id])

    def lost(*args: Any) -> None:
        raise redis.ConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(cancellations, "between", lost)
        for _ in range(5):
            with pytest.raises(redis.ConnectionError):
                writer.drain()
        [pending] = clean_redis.xpending_range(keys.stream(), redis_stream.group(), "-", "+", 10)
        assert pending["times_delivered"] == 1
    writer.drain()

    assert codes() == [(409, "cancelled")]


def test_an_entry_that_cannot_be_decoded_is_shown_and_can_be_cancelled(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    now = time.time_ns() // 1_000  # receipts of long ago are pruned
    clean_redis.xadd(keys.stream(), {"w": b"no write"}, id=f"{now}-0")

    [one] = waiting(count=10)
    cancel([one.write_id])
    writer.drain()

    assert one == WaitingWrite(
        write_id=now, function="", principal="", size_bytes=8, is_read=False, is_cancelled=False
    )
    assert codes() == [(409, "cancelled")]


def test_the_writes_of_another_store_are_neither_shown_nor_cancelled(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    write_id = accepted("a")
    clean_redis.hset(keys.owner(), mapping={"store": "another", "path": "/elsewhere", "host": "another"})

    with pytest.raises(StreamOfAnotherStore):
        cancel([write_id])
    with pytest.raises(StreamOfAnotherStore):
        waiting(count=10)
    assert not clean_redis.exists(keys.cancelled())


def test_without_redis_it_says_so(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.REDIS_URL", "unix:///nowhere")

    with pytest.raises(QueueUnavailable):
        waiting(count=10)
    with pytest.raises(QueueUnavailable):
        cancel([1])
