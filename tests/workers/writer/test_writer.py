"""The writer's loop: each step happens when the test says so."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import override_settings

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.submitting import accepted, add, in_thread
from workers import WriteStatus, submit
from workers.models import Receipt
from workers.operations.status import queue_status
from workers.store import identity
from workers.stream import heartbeat, keys, pauses, redis_stream
from workers.writer import commit
from workers.writer.loop import Drained, Writer
from workers.writes import Write


def test_an_accepted_write_is_committed_acknowledged_and_announced(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    submission = add("a")
    write_id = submission.accepted()
    # Longer than the test waits: it is the announcement that has to wake it, not the look at its receipt.
    outcome_of = in_thread(lambda: submission.wait(600))

    writer.drain()

    outcome = outcome_of()
    assert outcome is not None
    assert (outcome.write_id, outcome.status, outcome.http_status) == (write_id, WriteStatus.COMMITTED, 201)
    assert texts() == ["a"]
    assert redis_stream.length(clean_redis) == 0
    assert clean_redis.xpending(keys.stream(), redis_stream.group())["pending"] == 0


def test_writes_are_committed_in_the_order_of_acceptance(writer: Writer) -> None:
    ids = [accepted(text) for text in "abcdef"]

    writer.drain()

    assert texts() == list("abcdef")
    assert ids == sorted(ids)
    assert list(Receipt.objects.order_by("pk").values_list("write_id", flat=True)) == ids


def test_ids_keep_growing_when_the_clock_of_redis_goes_back(writer: Writer, clean_redis: redis.Redis) -> None:
    ahead = int(time.time() * 1e6) + 3_600_000_000
    clean_redis.set(keys.last_write_id(), str(ahead))

    assert [accepted("a"), accepted("b")] == [ahead + 1, ahead + 2]
    assert queue_status().oldest_age_seconds == 0
    writer.drain()
    assert texts() == ["a", "b"]


def test_a_write_that_hangs_is_cut_off_and_failed_alone(writer: Writer) -> None:
    with override_settings(WRITE_TIME_LIMIT_SECONDS=0.2):
        accepted("a")
        submit("jottings.hang", {}, announced=False).accepted()
        submit("jottings.hang_and_swallow", {}, announced=False).accepted()
        accepted("b")
        until(lambda: writer.drain() is Drained.EMPTY)

    assert texts() == ["a", "b"]
    codes = [receipt.json()["code"] for receipt in Receipt.objects.filter(status=WriteStatus.FAILED)]
    assert codes == ["write_timed_out", "write_timed_out"]


def test_a_pause_that_is_asked_for_ends_the_drain_and_leaves_the_rest(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    accepted("a")
    pause = pauses.Pause(by="a test", until=time.time() + 60)
    pauses.request(clean_redis, pause, seconds=60)

    assert writer.drain() is Drained.PAUSE
    assert texts() == []

    pauses.withdraw(
        clean_redis,
    )
    assert Writer().drain() is Drained.EMPTY
    assert texts() == ["a"]


def test_a_batch_is_never_larger_than_its_limit(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    commit_batch = commit.commit_batch

    def counted(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        sizes.append(len(writes))
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", counted)
    for text in "abcde":
        accepted(text)

    with override_settings(WRITE_BATCH_MAX_WRITES=2):
        writer.drain()

    assert sizes == [2, 2, 1]
    assert texts() == list("abcde")


def test_a_write_accepted_while_the_doorbell_is_released_is_not_left_unseen(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = redis_stream.release_doorbell
    late = iter(["late"])

    def accept_one_first(client: redis.Redis) -> None:
        for text in late:
            accepted(text)
        release(client)

    monkeypatch.setattr(redis_stream, "release_doorbell", accept_one_first)
    accepted("a")

    writer.drain()

    assert texts() == ["a", "late"]


def test_a_drain_ends_after_its_time_and_asks_to_be_called_again(writer: Writer) -> None:
    for text in "abc":
        accepted(text)
    with override_settings(WRITE_TASK_SECONDS=0.0, WRITE_BATCH_MAX_WRITES=1):
        assert writer.drain() is Drained.MORE
    assert texts() == []
    assert writer.drain() is Drained.EMPTY
    assert texts() == ["a", "b", "c"]


def test_a_writer_that_stops_has_closed_the_store(writer: Writer) -> None:
    accepted("a")
    writer.drain()
    assert connection.connection is not None

    writer.stop()

    assert connection.connection is None


def test_the_status_shows_what_waits_and_who_writes(writer: Writer) -> None:
    accepted("a")
    before = queue_status()
    writer.drain()
    after = queue_status()

    assert before.length == 1
    assert before.oldest_age_seconds is not None
    assert before.writer is None
    assert (after.length, after.oldest_age_seconds) == (0, None)
    assert after.writer is not None


def test_a_stream_that_was_flushed_is_made_again(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "is_test_run", lambda: False)  # as a web process is
    writer.drain()
    clean_redis.flushall()
    accepted("a")

    writer.drain()

    assert texts() == ["a"]


def test_a_stopped_writer_is_known_to_be_gone(writer: Writer) -> None:
    writer.drain()
    assert queue_status().writer is not None

    writer.stop()

    assert queue_status().writer is None
