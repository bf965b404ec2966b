"""Every limit is reached, and reaching it gives a clear answer."""

import sqlite3
import time
from contextlib import closing

import pytest
import redis
from django.db import connection
from django.test import override_settings

from workers import StreamFull, WriteStatus, queue_status, submit
from workers.exceptions import TooManyWaiting
from workers.models import Receipt
from workers.store import receipts, store_file, wal
from workers.stream import keys, redis_stream
from workers.submission import client
from workers.writer.loop import Writer
from workers.writer.pruning import Pruning
from workers.writes import Outcome, Write, new_token


def accepted(text: str) -> int:
    return submit("jottings.add", {"data": {"text": text}}, announced=False).accepted()


def test_past_the_bytes_of_the_stream_writes_are_refused_until_it_is_drained(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    with override_settings(WRITE_STREAM_MAX_BYTES=1_000):
        accepted("x" * 400)
        accepted("y" * 300)
        with pytest.raises(StreamFull):
            accepted("z" * 400)
        accepted("z")
        assert int(clean_redis.get(keys.stream_bytes()) or 0) <= 1_000

        writer.drain()

        assert int(clean_redis.get(keys.stream_bytes()) or 0) == 0
        accepted("z" * 400)


def test_a_write_that_would_wait_too_long_at_the_writers_rate_is_refused(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    clean_redis.set(keys.rate(), 2)
    with override_settings(WRITE_MAX_ESTIMATED_WAIT_SECONDS=1.5):
        for text in "abc":
            accepted(text)
        with pytest.raises(StreamFull):
            accepted("d")


def test_the_writer_tells_its_rate_from_a_large_batch_only(writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("a")
    writer.drain()
    assert clean_redis.get(keys.rate()) is None

    for number in range(30):
        accepted(str(number))
    Writer().drain()
    assert int(clean_redis.get(keys.rate()) or 0) > 0


def test_past_the_requests_that_may_wait_one_is_refused(writer: Writer) -> None:
    others = client.stream_submitter()._listener.waiting  # of other tests in this process
    with override_settings(WRITE_MAX_WAITING=others + 2):
        waiting = [submit("jottings.add", {"data": {"text": "a"}}) for _ in range(2)]
        with pytest.raises(TooManyWaiting):
            submit("jottings.add", {"data": {"text": "b"}})
        for submission in waiting:
            submission.wait(0)
        submit("jottings.add", {"data": {"text": "b"}}).wait(0)
    assert client.stream_submitter()._listener.waiting == others


def add_receipt(write_id: int) -> None:
    write = Write(function="jottings.add", arguments={}, token=new_token(), write_id=write_id)
    outcome = Outcome(write_id=write_id, status=WriteStatus.COMMITTED, http_status=201)
    receipts.insert([(write, outcome)], committed_at=Receipt(write_id=write_id).accepted_at)


@pytest.mark.django_db(transaction=True)
def test_receipts_past_their_age_are_pruned() -> None:
    now = time.time_ns() // 1_000
    day = 86_400 * 1_000_000
    for age in (1, 5, 10):
        add_receipt(now - age * day)

    with override_settings(WRITE_RECEIPT_DAYS=7):
        assert Pruning().prune_a_little() == 1

    assert Receipt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_receipts_past_their_number_are_pruned_from_the_oldest() -> None:
    now = time.time_ns() // 1_000
    for number in range(5):
        add_receipt(now + number)

    with override_settings(WRITE_MAX_RECEIPTS=2):
        assert Pruning().prune_a_little() == 3

    assert list(Receipt.objects.order_by("pk").values_list("pk", flat=True)) == [now + 3, now + 4]


@pytest.mark.django_db(transaction=True)
def test_pruning_goes_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.writer.pruning.SLICE", 2)
    monkeypatch.setattr("workers.writer.pruning.SLICE_SECONDS", 0.0)
    for write_id in range(1, 6):
        add_receipt(write_id)
    pruning = Pruning()

    assert [pruning.prune_a_little() for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.sqlite  # the server sees to its log itself
@pytest.mark.django_db(transaction=True)
def test_the_log_is_emptied_past_its_size_and_a_reader_does_not_hold_the_writer_up(writer: Writer) -> None:
    with override_settings(WRITE_CHECKPOINT_BYTES=65_536):
        for number in range(300):
            accepted(f"{number:0200}")
        writer.drain()
        assert wal.size_bytes(store_file.path()) == 0

        name = str(connection.settings_dict["NAME"])
        with closing(sqlite3.connect(name)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM jottings_jotting").fetchone()
            for number in range(300):
                accepted(f"{number:0200}")
            Writer().drain()
            assert wal.size_bytes(store_file.path()) > 65_536
            reader.execute("COMMIT")
        accepted("last")
        Writer().drain()
        assert wal.size_bytes(store_file.path()) == 0


@pytest.mark.sqlite  # it locks the file
@pytest.mark.django_db(transaction=True)
def test_an_idle_writer_notices_a_foreign_process_that_holds_the_lock(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.drain()
        state = queue_status().writer
        other.execute("ROLLBACK")

    assert state is not None
    assert "locked" in (state.error or "")
    assert redis_stream.length(writer._client) == 0
