"""What the writer counts and times, as it is read again: by whoever, whenever, whatever went wrong."""

import math
import random
import time
from itertools import pairwise
from typing import Any

import pytest
import redis

from tests.workers.submitting import accepted
from workers import submit
from workers.exceptions import QueueUnavailable
from workers.measures import reading, slots
from workers.measures.buckets import MICROSECONDS, SECONDS, SIZES, Distribution
from workers.measures.taking import Counts, Recorder
from workers.stream import keys
from workers.stream.redis_client import connect
from workers.writer.loop import Writer


def deliver(writer: Writer) -> None:
    """Have the heartbeat take along what was counted."""
    writer._heartbeat._renewed = -math.inf
    writer._heartbeat.renew(committed=0)


def slot(redis_client: redis.Redis) -> reading.Slot:
    """Return the slots of now as one."""
    found: Any = redis_client.keys(keys.measured_slot("*"))
    merged: dict[bytes, bytes] = {}
    for key in found:
        figures: Any = redis_client.hgetall(key)
        for name, value in figures.items():
            merged[name] = str(int(merged.get(name, 0)) + int(value)).encode()
    return reading._slot(int(found[0].rpartition(b":")[2]), merged)


def test_outcomes_batches_and_times_are_counted(writer: Writer, clean_redis: redis.Redis) -> None:
    ids = [accepted(text) for text in "abc"]
    for function in ("jottings.add_then_raise", "jottings.add_then_reject"):
        submit(function, {"text": "no"}, announced=False).accepted()
    began = time.time()

    writer.drain()
    deliver(writer)

    totals, now = reading.totals(), slot(clean_redis)
    assert (totals.writes, totals.committed, totals.rejected, totals.failed) == (5, 3, 1, 1)
    assert (totals.batches, totals.starts, totals.held_back) == (1, 1, 0)
    assert totals.since is not None
    assert abs(totals.since - began) < 60
    assert totals.batch_size == Distribution(bounds=SIZES, counts=[0, 0, 1, *[0] * (len(SIZES) - 2)], sum=5.0)
    assert totals.wait.count == 5
    waited = [began - write_id / 1e6 for write_id in ids]
    assert sum(waited) <= totals.wait.sum <= 5 * (max(waited) + 5)
    assert totals.apply.count == totals.commit.count == now.transactions >= 1
    assert totals.apply.sum > 0 < totals.commit.sum
    assert (now.writes, now.batches, now.committed, now.largest_batch) == (5, 1, 3, 5)
    assert (now.rejected, now.failed) == (1, 1)
    assert now.wait is not None
    assert 0 < now.wait.p50 <= now.wait.p99
    assert now.redis_bytes is not None
    assert now.redis_bytes > 100_000


def test_what_waits_is_looked_at_with_each_delivery(writer: Writer, clean_redis: redis.Redis) -> None:
    ids = [accepted("a"), accepted("b")]

    deliver(writer)
    writer.drain()
    deliver(writer)

    now = slot(clean_redis)
    assert now.waiting == 2
    assert now.oldest_seconds is not None
    assert 0 < now.oldest_seconds <= time.time() - ids[0] / 1e6


def test_another_writer_goes_on_counting(writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("a")
    writer.drain()
    writer.stop()  # which delivers the rest

    second = Writer()
    accepted("b")
    second.drain()
    deliver(second)

    totals, now = reading.totals(), slot(clean_redis)
    assert (totals.writes, totals.starts) == (now.writes, now.starts) == (2, 2)
    assert totals.at_work_seconds > 0


def test_a_delivery_whose_reply_was_lost_counts_once(writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("a")
    writer.drain()
    accepted("b")
    writer.drain()
    pipeline = clean_redis.pipeline(transaction=False)
    writer._recorder.board(pipeline)
    pipeline.execute()  # Redis has it, and the writer does not know

    accepted("c")
    writer.drain()
    deliver(writer)
    deliver(writer)

    assert reading.totals().writes == 3
    assert slot(clean_redis).writes == 3


def test_it_counts_once_too_where_another_writer_has_delivered_in_between(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    accepted("a")
    writer.drain()
    former, successor = writer._recorder, Recorder(lambda: None)
    for one in (former, successor, former, successor):  # each reply is lost
        pipeline = clean_redis.pipeline(transaction=False)
        one.board(pipeline)
        pipeline.execute()

    totals = reading.totals()
    assert (totals.writes, totals.batches, totals.starts) == (1, 1, 2)
    known: Any = clean_redis.keys(keys.measured_by("*"))
    assert len(known) == 2
    assert all(0 < clean_redis.ttl(key) <= slots.LIFE_SECONDS for key in known)


def test_totals_that_the_former_version_wrote_are_read(clean_redis: redis.Redis) -> None:
    clean_redis.hset(keys.measured_totals(), mapping={"stamp": "8f00:7", "starts": 3})

    assert reading.totals().starts == 3


def test_a_redis_that_is_full_stops_no_write_and_gets_the_figures_later(
    writer: Writer, clean_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    accepted("a")
    clean_redis.config_set("maxmemory", 1)
    try:
        writer.drain()
        deliver(writer)
        deliver(writer)
    finally:
        clean_redis.config_set("maxmemory", 0)
    assert reading.totals().writes == 0
    assert caplog.text.count("measures-not-kept") == 1

    deliver(writer)
    deliver(writer)

    assert reading.totals().writes == 1


def test_a_store_that_cannot_commit_shows_in_the_attempts(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted("a")
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.0,))
    monkeypatch.setattr(writer._watch, "problem", lambda: "gone")
    writer._step(wait_seconds=0)
    monkeypatch.undo()
    writer.drain()
    deliver(writer)

    assert (reading.totals().held_back, reading.totals().writes) == (1, 1)


def test_the_history_has_every_slot_and_says_where_nobody_measured(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    now = int(clean_redis.time()[0])
    measured = now - now % slots.SLOT_SECONDS - 60
    clean_redis.hset(
        keys.measured_slot(str(measured)),
        mapping={"size_sum": 7, "at_work_us": 5_400_000, "waiting": 3, "wait:3": 7, "wait_sum": 2_000},
    )

    history = reading.history()

    assert len(history) == slots.HISTORY_SECONDS / slots.SLOT_SECONDS
    steps = {later.begins_at - one.begins_at for one, later in pairwise(history)}
    assert steps == {slots.SLOT_SECONDS}
    last = history[-1].begins_at + slots.SLOT_SECONDS + slots.LATE_SECONDS
    assert now - slots.SLOT_SECONDS <= last <= now + slots.SLOT_SECONDS
    [one] = [slot for slot in history if slot.at_work_seconds]
    assert (one.begins_at, one.at_work_seconds, one.writes, one.committed) == (measured, 5.0, 7, 7)
    assert one.wait is not None
    assert SECONDS[2] < one.wait.p50 < one.wait.p99 <= SECONDS[3]
    empty = history[0]
    assert (empty.writes, empty.waiting, empty.oldest_seconds, empty.wait, empty.redis_bytes) == (
        *(0, None, None, None, None),
    )
    assert reading.history(since=history[-3].begins_at) == history[-2:]
    assert reading.history(since=history[-1].begins_at + 1) == []


def test_where_the_clock_was_set_back_all_slots_are_told_again(clean_redis: redis.Redis) -> None:
    history = reading.history(since=reading.history()[-1].begins_at + 3_600)

    assert len(history) >= slots.HISTORY_SECONDS / slots.SLOT_SECONDS


def test_slots_go_by_themselves(writer: Writer, clean_redis: redis.Redis) -> None:
    deliver(writer)

    [key] = clean_redis.keys(keys.measured_slot("*"))
    assert slots.HISTORY_SECONDS < clean_redis.ttl(key) <= slots.LIFE_SECONDS
    assert clean_redis.ttl(keys.measured_totals()) == -1
    assert (clean_redis.memory_usage(key) or 0) < 2_000


def test_a_redis_that_is_emptied_begins_the_totals_anew(writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("a")
    writer.drain()
    deliver(writer)
    clean_redis.delete(keys.measured_totals())
    assert (reading.totals().writes, reading.totals().since) == (0, None)

    deliver(writer)

    assert reading.totals().writes == 0
    assert reading.totals().since is not None


def test_without_redis_it_is_said() -> None:
    with connect(timeout_seconds=1, url="unix:///nowhere/redis.sock") as nowhere:
        for read in (reading.history, reading.totals):
            with pytest.raises(QueueUnavailable):
                read(client=nowhere)


def test_quantiles_are_about_those_of_the_values() -> None:
    draw = random.Random(7)
    for scale in (0.001, 0.02, 3.0):
        values = sorted(draw.lognormvariate(0, 1) * scale for _ in range(5_000))
        counts = [0] * (len(SECONDS) + 1)
        for value in values:
            counts[next((n for n, bound in enumerate(SECONDS) if value <= bound), -1)] += 1
        found = Distribution(bounds=SECONDS, counts=counts, sum=sum(values))
        for share in (0.5, 0.99):
            exact = values[int(share * len(values))]
            estimate = found.quantile(share)
            assert estimate is not None
            assert exact / 1.3 < estimate < exact * 1.3


def test_quantiles_at_the_edges() -> None:
    def distribution(*counts: int) -> Distribution:
        return Distribution(bounds=(1.0, 2.0), counts=counts, sum=0.0)

    assert distribution(0, 0, 0).quantile(0.5) is None
    assert distribution(0, 0, 3).quantile(0.5) == 2.0
    assert distribution(0, 4, 0).quantile(0.5) == 1.5
    assert distribution(0, 4, 0).quantile(0.0) == 1.0
    assert distribution(4, 0, 4).quantile(0.5) == 1.0


def test_the_bounds_ascend_and_keep_their_ratio() -> None:
    assert len(MICROSECONDS) == 31
    assert all(1.5 < later / one < 1.65 for one, later in pairwise(MICROSECONDS))


def test_ages_are_sorted_as_each_by_itself_would_be() -> None:
    draw = random.Random(11)
    for _ in range(300):
        now = 1_000_000_000
        top = draw.choice((1, 500, 40_000, 200_000_000))
        moments = sorted(now - draw.randrange(top) for _ in range(draw.randrange(1, 60)))
        together, each = Counts(MICROSECONDS), Counts(MICROSECONDS)

        together.add_ages(moments, now)
        for moment in moments:
            each.add(now - moment)

        assert list(together.figures("age")) == list(each.figures("age"))
