"""The writer when something fails: it dies, store or Redis are unwell, an entry cannot be read."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.submitting import accepted, add, in_thread
from workers import QueueUnavailable, WriteStatus
from workers.models import Receipt
from workers.operations.status import queue_status
from workers.store.roles import Role
from workers.stream import heartbeat, keys, outcomes, ownership, redis_stream
from workers.writer import commit
from workers.writer.loop import Drained, Writer
from workers.writes import Write


def test_what_was_read_and_not_acknowledged_is_taken_first_and_in_order(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    for text in "ab":
        accepted(text)
    ownership.claim(clean_redis)
    redis_stream.read_new(clean_redis, count=10)  # a predecessor that died before its commit
    accepted("c")

    writer.drain()

    assert texts() == ["a", "b", "c"]


def test_a_kill_between_commit_and_acknowledgement_leaves_one_effect_and_outcome(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    submission = add("a")
    submission.accepted()
    outcome_of = in_thread(lambda: submission.wait(10))

    def die(*args: object, **kwargs: object) -> None:
        raise redis.ConnectionError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "announce", die)
        with pytest.raises(redis.ConnectionError):
            writer.drain()
    assert texts() == ["a"]
    assert redis_stream.length(clean_redis) == 1

    Writer().drain()

    assert texts() == ["a"]
    assert redis_stream.length(clean_redis) == 0
    outcome = outcome_of()
    assert outcome is not None
    assert outcome.status is WriteStatus.COMMITTED


def test_writes_whose_reading_lost_its_reply_are_committed_before_later_ones(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.drain()
    accepted("a")
    read_new = redis_stream.read_new

    def lose_the_reply(*args: Any, **options: Any) -> tuple[list[redis_stream.Entry], bool]:
        if read_new(*args, **options)[0]:
            raise redis.ConnectionError("cut after Redis had handed the entries out")
        return [], False

    with monkeypatch.context() as patch:
        patch.setattr(redis_stream, "read_new", lose_the_reply)
        with pytest.raises(redis.ConnectionError):
            writer.drain()
    accepted("b")

    writer.drain()

    assert texts() == ["a", "b"]


def test_a_redis_that_is_out_of_memory_is_drained_all_the_same(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    writer.drain()
    for text in "abc":
        accepted(text)
    clean_redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(QueueUnavailable):
            accepted("refused")
        Writer().drain()
        assert redis_stream.length(clean_redis) == 0
    finally:
        clean_redis.config_set("maxmemory", 0)
    assert texts() == ["a", "b", "c"]
    assert accepted("again")


@pytest.mark.sqlite
def test_a_store_that_is_full_is_opened_anew_and_everything_is_committed_later(
    writer: Writer,
    clean_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.0,))
    texts_sent = [f"{number:0200}" for number in range(300)]
    for text in texts_sent:
        add(text, announced=False)
    accepted("last")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no free pages are left from other tests
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")  # full, for as long as this connection lives

    until(lambda: writer.drain() is Drained.EMPTY)

    assert "state=not-committed writes=301 attempt=1 " in caplog.text
    assert "database or disk is full" in caplog.text
    assert texts() == [*texts_sent, "last"]
    assert redis_stream.length(clean_redis) == 0


@pytest.mark.sqlite
def test_a_locked_store_acknowledges_nothing_kills_no_write_and_commits_once_free(
    writer: Writer,
    clean_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids = [accepted(text) for text in "ab"]
    connection.close()
    monkeypatch.setattr("workers.store.roles._role", Role.WRITER)
    monkeypatch.setattr("workers.store.pragmas.WRITER_BUSY_MILLISECONDS", 1)
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.001, 0.002))

    def drained() -> None:
        until(lambda: writer.drain() is Drained.EMPTY, seconds=20)

    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        drain = in_thread(drained)
        # Read again as often as this, a write would be taken for one that kills the writer.
        until(lambda: "attempt=10 " in caplog.text, what="ten attempts")
        status = queue_status()
        assert texts() == []
        assert status.length == 2
        assert status.writer is not None
        assert "a program that does not take the store lock" in (status.writer.error or "")
        other.execute("ROLLBACK")
        drain()

    assert texts() == ["a", "b"]
    assert list(Receipt.objects.order_by("pk").values_list("write_id", "status")) == [
        (write_id, WriteStatus.COMMITTED) for write_id in ids
    ]
    status = queue_status()
    assert (status.length, status.writer and status.writer.error) == (0, None)
    connection.close()


def test_a_store_that_fails_says_so_in_the_heartbeat(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted("a")
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.0,))
    commit_batch, errors_seen = commit.commit_batch, []

    def fails_once(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        status = queue_status().writer
        errors_seen.append(status.error if status else "")
        if len(errors_seen) == 1:
            raise OperationalError("disk I/O error")
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", fails_once)
    writer.drain()

    assert errors_seen == ["", "disk I/O error"]
    state = queue_status().writer
    assert state is not None
    assert state.error is None


def dies_applying(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a writer die while it applies the write of this text, like a segmentation fault would.

    Returns a list that will hold the texts of the writes that are set aside.
    """
    commit_batch, set_aside_texts = commit.commit_batch, []

    def text_of(write: Write) -> str:
        return str(write.arguments["data"]["text"])

    def die(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        set_aside = [text_of(write) for write in writes if options["set_aside"](write)]
        if text in map(text_of, writes) and text not in set_aside:
            raise SystemExit("killed")
        set_aside_texts.extend(set_aside)
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", die)
    return set_aside_texts


def test_a_write_that_kills_the_writer_is_set_aside_after_three_deliveries(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours before and behind it are committed."""
    for text in ("a", "killer", "b"):
        accepted(text)
    set_aside = dies_applying("killer", monkeypatch)
    kills = 0

    for _ in range(10):
        try:
            if Writer().drain() is Drained.EMPTY:
                break
        except SystemExit:
            kills += 1

    assert kills == 3
    assert set_aside == ["killer"]
    assert texts() == ["a", "b"]
    receipt = Receipt.objects.get(status=WriteStatus.FAILED)
    assert receipt.json()["code"] == "write_killed_writer"
    assert json.loads(receipt.arguments) == {"data": {"text": "killer"}}
    assert redis_stream.length(clean_redis) == 0


def test_a_store_that_fails_for_long_kills_no_write(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted("a")
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.0,))
    commit_batch, tries = commit.commit_batch, []

    def fails_often(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        tries.append(1)
        if len(tries) < 20:
            raise OperationalError("database or disk is full")
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", fails_often)
    until(lambda: writer.drain() is Drained.EMPTY)

    assert texts() == ["a"]


def test_an_entry_that_cannot_be_decoded_gets_a_receipt_and_does_not_stop_the_rest(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    accepted("a")
    last = redis_stream.last_write_id(clean_redis)
    clean_redis.xadd(keys.stream(), {"w": b"\xff not json"}, id=f"{last + 1}-0")
    clean_redis.set(keys.last_write_id(), last + 1)
    accepted("b")

    writer.drain()

    assert texts() == ["a", "b"]
    assert Receipt.objects.get(write_id=last + 1).status == WriteStatus.FAILED
    assert redis_stream.length(clean_redis) == 0
