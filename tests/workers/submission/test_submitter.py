"""Requests on their way to the stream: shared round trips, rings, keys, and what a caller is told."""

import threading
import time
from collections.abc import Iterable, Iterator

import pytest
import redis
from django.test import override_settings

from tests.jottings.models import Jotting
from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.submitting import accepted, add, in_thread
from workers import QueueUnavailable, StreamFull, WriteStatus
from workers.exceptions import KeyInProgress, KeyReused
from workers.stream import heartbeat, keys, outcomes, redis_stream
from workers.stream.append import Appended, Appender
from workers.submission import client, combining, submitter
from workers.submission.idempotency import from_key
from workers.writer.loop import Drained, Writer
from workers.writes import Write, new_token


def test_past_the_limit_nothing_is_appended_and_nothing_is_lost(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    with override_settings(WRITE_STREAM_MAX_LENGTH=2):
        accepted("a")
        accepted("b")
        with pytest.raises(StreamFull):
            accepted("c")
        assert redis_stream.length(clean_redis) == 2

        writer.drain()

        accepted("d")
        writer.drain()
    assert texts() == ["a", "b", "d"]


def test_the_first_write_rings_and_others_do_not_until_the_writer_has_been_there(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings = []
    monkeypatch.setattr(client.submitter(), "_ring", lambda: rings.append(1))

    for text in "abc":
        accepted(text)
    assert len(rings) == 1

    assert writer.drain() is Drained.EMPTY
    accepted("d")
    assert len(rings) == 2


def test_an_append_whose_reply_was_cut_off_rings_for_the_lost_reply(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[int] = []
    monkeypatch.setattr(client.submitter(), "_ring", lambda: rings.append(1))
    append = Appender.append

    def cut_once(appender: Appender, writes: Iterable[Write]) -> Appended:
        appended = append(appender, writes)
        if redis_stream.length(clean_redis) == 1:
            raise redis.ConnectionError("cut before the reply")
        return appended

    monkeypatch.setattr(Appender, "append", cut_once)
    add("a").accepted()

    assert rings == [1]
    writer.drain()
    assert texts() == ["a"]


def test_without_a_writer_a_waiting_request_is_told_at_once(
    clean_redis: redis.Redis, transactional_db: None
) -> None:
    started = time.monotonic()

    submission = add("a")

    assert submission.wait(30) is None
    assert submission.write_id is not None
    assert time.monotonic() - started < 10


@pytest.fixture
def held_append(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[int], threading.Event]]:
    """Holds the first round trip until the event is set; yields the sizes of all, in order of their start."""
    sizes: list[int] = []
    go_on = threading.Event()
    append = Appender.append

    def slow_append(appender: Appender, writes: Iterable[Write]) -> Appended:
        together = list(writes)
        sizes.append(len(together))
        if len(sizes) == 1:
            go_on.wait(10)
        return append(appender, together)

    monkeypatch.setattr(Appender, "append", slow_append)
    yield sizes, go_on
    go_on.set()


def test_requests_that_submit_at_the_same_moment_share_round_trips(
    writer: Writer, clean_redis: redis.Redis, held_append: tuple[list[int], threading.Event]
) -> None:
    sizes, go_on = held_append
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    few = combining.SHARED_AT - 1
    results = [in_thread(lambda: add("x").wait(20))]
    until(lambda: sizes, what="the first append")
    results += [in_thread(lambda: add("x").wait(20)) for _ in range(few)]
    until(lambda: len(client.submitter()._lead._combiner._unsent) == few, what="requests lined up")
    go_on.set()

    until(lambda: writer.drain() and Jotting.objects.count() == 1 + few, what="all commits")

    assert all(result() is not None for result in results)
    assert sizes == [1, few]


def test_requests_do_not_wait_for_a_reply_once_they_are_enough_for_a_round_trip_of_their_own(
    writer: Writer, clean_redis: redis.Redis, held_append: tuple[list[int], threading.Event]
) -> None:
    sizes, go_on = held_append
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    first = in_thread(lambda: add("first").wait(20))
    until(lambda: sizes, what="the first append")
    others = [in_thread(lambda: add("other").wait(20)) for _ in range(combining.SHARED_AT)]

    until(lambda: writer.drain() and Jotting.objects.count() == len(others), what="the commits of the others")

    assert all(result() is not None for result in others)
    assert sizes == [1, combining.SHARED_AT]
    go_on.set()
    until(
        lambda: writer.drain() and Jotting.objects.count() == 1 + len(others), what="the first one's commit"
    )
    assert first() is not None


def test_every_lead_that_is_passed_on_is_taken_or_given_back(
    clean_redis: redis.Redis, transactional_db: None
) -> None:
    def submit_some() -> None:
        for _ in range(30):
            assert add("x").accepted()

    callers = [in_thread(submit_some) for _ in range(40)]
    for caller in callers:
        caller()

    assert client.submitter()._lead._combiner._senders == 0


def test_a_caller_that_never_waits_does_not_keep_others_from_being_sent(
    writer: Writer, clean_redis: redis.Redis, held_append: tuple[list[int], threading.Event]
) -> None:
    sent, go_on = held_append
    first = in_thread(lambda: add("a").wait(20))
    until(lambda: sent, what="the first append")
    add("b")  # lined up, and its caller goes away
    go_on.set()
    first()

    until(lambda: redis_stream.length(clean_redis) == 2, what="both in the stream")
    assert accepted("c")


def test_a_redis_that_is_gone_refuses_at_once_and_certainly(transactional_db: None) -> None:
    with override_settings(REDIS_URL="unix:///nowhere/redis.sock", WRITE_SUBMIT_TIMEOUT_SECONDS=0.2):
        nowhere = submitter.Submitter(ring=lambda: None)
        write = Write(function="jottings.add", arguments={}, token=new_token())
        with pytest.raises(QueueUnavailable):
            nowhere.submit(write, announced=True).wait(10)


def test_the_same_key_joins_the_write_that_is_under_way(writer: Writer, clean_redis: redis.Redis) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    once = from_key("k", principal="1", request=["a"])
    submissions = [add("a", once=once) for _ in range(3)]
    for submission in submissions:
        submission.accepted()
    results = [in_thread(lambda s=submission: s.wait(20)) for submission in submissions]  # type: ignore[misc]

    writer.drain()

    got = [result() for result in results]
    assert texts() == ["a"]
    assert got[0] is not None
    assert got == [got[0]] * 3


def test_the_same_key_without_waiting_is_told_which_write_is_under_way(writer: Writer) -> None:
    once = from_key("k", principal="1", request=["a"])
    write_id = add("a", announced=False, once=once).accepted()

    with pytest.raises(KeyInProgress) as told:
        add("a", announced=False, once=once).accepted()
    assert told.value.write_id == write_id


def test_the_same_key_for_another_request_is_refused_while_the_first_waits(writer: Writer) -> None:
    add("a", announced=False, once=from_key("k", principal="1", request=["a"])).accepted()

    with pytest.raises(KeyReused):
        add("b", announced=False, once=from_key("k", principal="1", request=["b"])).accepted()


def test_the_claim_on_a_key_ends_soon_after_the_commit(writer: Writer, clean_redis: redis.Redis) -> None:
    add("a", announced=False, once=from_key("k", principal="1", request=["a"])).accepted()
    [claim] = clean_redis.keys(keys.claims() + "*")
    assert clean_redis.ttl(claim) > redis_stream.CLAIM_LINGER_SECONDS

    writer.drain()

    assert 0 < clean_redis.ttl(claim) <= redis_stream.CLAIM_LINGER_SECONDS


def test_keys_of_two_principals_are_unrelated() -> None:
    one, two = (from_key("k", principal=principal, request=["a"]) for principal in "12")

    assert one.token != two.token


def test_an_announcement_that_is_lost_is_made_up_for_by_the_receipt(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    monkeypatch.setattr(outcomes, "announce", lambda *args, **kwargs: None)
    submission = add("a")
    submission.accepted()
    result = in_thread(lambda: submission.wait(20))

    writer.drain()

    outcome = result()
    assert outcome is not None
    assert outcome.status is WriteStatus.COMMITTED
