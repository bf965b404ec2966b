"""Requests on their way to the stream: shared round trips, rings, keys, and what a caller is told."""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import redis
from django.test import override_settings

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.submitting import accepted, add, in_thread
from workers import QueueUnavailable, StreamFull, WriteStatus
from workers.event_loop import fibers
from workers.exceptions import AcceptanceUnknown, KeyInProgress, KeyReused
from workers.store import identity
from workers.stream import heartbeat, keys, outcomes, ownership, redis_stream
from workers.stream.append import Appender
from workers.stream.link import Link, Then
from workers.submission import client, sender, submitter
from workers.submission.idempotency import from_key
from workers.submission.submission import Submission
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
    monkeypatch.setattr(client.stream_submitter()._sender, "ring", lambda: rings.append(1))

    for text in "abc":
        accepted(text)
    until(lambda: len(rings) == 1, what="the first ring")

    assert writer.drain() is Drained.EMPTY
    accepted("d")
    until(lambda: len(rings) == 2, what="another ring")
    assert len(rings) == 2


@pytest.fixture
def cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the first append be applied and its reply be lost with the link."""
    send = Link.send
    appends = itertools.count()

    def send_and_cut(link: Link, *command: Any, then: Then) -> None:
        if command[0] == "EVALSHA" and next(appends) == 0:
            send(link, *command, then=lambda reply: link._lose(redis.ConnectionError("cut before the reply")))
            link._awaited.append((0.0, then))
        else:
            send(link, *command, then=then)

    monkeypatch.setattr(Link, "send", send_and_cut)


def test_an_append_whose_reply_was_cut_off_takes_effect_once_and_rings_for_the_lost_reply(
    writer: Writer, clean_redis: redis.Redis, cut_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_redis.script_load(Appender.script)
    rings: list[int] = []
    monkeypatch.setattr(client.stream_submitter()._sender, "ring", lambda: rings.append(1))

    add("a").accepted()

    until(lambda: rings == [1], what="the ring")
    assert redis_stream.length(clean_redis) == 2
    writer.drain()
    assert texts() == ["a"]


def test_a_write_that_was_sent_twice_is_not_called_refused_by_a_full_stream(
    writer: Writer, clean_redis: redis.Redis, cut_once: None
) -> None:
    """Its first copy may be what fills it."""
    clean_redis.script_load(Appender.script)

    with override_settings(WRITE_STREAM_MAX_LENGTH=1), pytest.raises(AcceptanceUnknown):
        add("a").accepted()

    writer.drain()
    assert texts() == ["a"]


def test_a_write_that_only_asks_for_its_id_is_not_sent_again(
    writer: Writer, clean_redis: redis.Redis, cut_once: None
) -> None:
    clean_redis.script_load(Appender.script)

    with pytest.raises(AcceptanceUnknown):
        accepted("a")

    assert redis_stream.length(clean_redis) == 1


def test_a_redis_that_forgot_the_script_is_given_it_again(writer: Writer, clean_redis: redis.Redis) -> None:
    accepted("a")
    clean_redis.script_flush()

    accepted("b")

    assert redis_stream.length(clean_redis) == 2


def test_without_a_writer_a_waiting_request_is_told_at_once(
    clean_redis: redis.Redis, transactional_db: None
) -> None:
    started = time.monotonic()

    submission = add("a")

    assert submission.wait(30) is None
    assert submission.write_id is not None
    assert time.monotonic() - started < 10


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of writes in the appends, in order of their sending."""
    found: list[int] = []
    command = Appender.command

    def counted(appender: Appender, writes: Iterable[Write], **known: int) -> list[Any]:
        together = list(writes)
        found.append(len(together))
        return command(appender, together, **known)

    monkeypatch.setattr(Appender, "command", counted)
    return found


@pytest.fixture
def on_loop(writer: Writer, clean_redis: redis.Redis) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Runs code in a fiber of a loop on which this process's submitter lives."""

    async def serve(work: Callable[[], Any]) -> Any:
        client.live_on(asyncio.get_running_loop())
        try:
            return await fibers.run(work)
        finally:
            client.end_submitter()
            await asyncio.sleep(0)

    clean_redis.script_load(Appender.script)
    # Before the loop, where this thread's connection cannot be seen.
    store = identity.current()
    client.stream_submitter()
    identity._current = store
    yield lambda work: asyncio.run(serve(work))


def test_what_is_submitted_in_one_turn_of_the_loop_is_one_append(
    on_loop: Callable[[Callable[[], Any]], Any], sizes: list[int]
) -> None:
    def submit_some() -> list[int]:
        first = [add("x", announced=False) for _ in range(5)]
        ids = [one.accepted() for one in first]
        rest = [add("y", announced=False) for _ in range(sender.APPENDS_AT_ONCE + 1)]
        return ids + [one.accepted() for one in rest]

    ids = on_loop(submit_some)

    assert sizes == [5, sender.APPENDS_AT_ONCE, 1]
    assert ids == sorted(ids)


def test_an_append_does_not_wait_for_the_reply_to_the_one_before(
    on_loop: Callable[[Callable[[], Any]], Any], sizes: list[int], clean_redis: redis.Redis
) -> None:
    def submit_two() -> tuple[list[int], bool]:
        accepted("first")
        clean_redis.client_pause(300)
        early = [add("a", announced=False)]
        fibers.wait_for(asyncio.sleep(0))
        fibers.wait_for(asyncio.sleep(0))
        early.append(add("b", announced=False))
        fibers.wait_for(asyncio.sleep(0.01))
        none_replied = all(one.write_id is None for one in early)
        return [one.accepted() for one in early], none_replied

    ids, none_replied = on_loop(submit_two)

    assert sizes == [1, 1, 1]
    assert none_replied
    assert ids == sorted(ids)


def test_writes_of_many_threads_are_all_accepted(clean_redis: redis.Redis, transactional_db: None) -> None:
    def submit_some() -> None:
        for _ in range(30):
            assert add("x").accepted()

    callers = [in_thread(submit_some) for _ in range(40)]
    for caller in callers:
        caller()

    assert redis_stream.length(clean_redis) == 30 * 40


def test_ids_exceed_all_known_ones_at_a_master_that_lacks_the_last_one_and_whose_clock_is_behind(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    ahead = int(time.time() * 1e6) + 3_600_000_000
    clean_redis.set(keys.last_write_id(), str(ahead))
    accepted("committed")
    writer.drain()
    clean_redis.flushall()
    ownership.claim(clean_redis)

    assert accepted("of a process that was told the id") == ahead + 2
    clean_redis.delete(keys.last_write_id(), keys.stream())
    other = submitter.Submitter(ring=lambda: None)
    write = Write(function="jottings.add", arguments={}, token=new_token())
    try:
        assert other.submit(write, announced=False).accepted() == ahead + 2  # from the receipt
    finally:
        other.close()


def test_a_caller_that_never_waits_is_sent_all_the_same(writer: Writer, clean_redis: redis.Redis) -> None:
    add("a")

    until(lambda: redis_stream.length(clean_redis) == 1, what="it in the stream")


def test_a_redis_that_is_gone_refuses_at_once_and_certainly(transactional_db: None) -> None:
    with override_settings(REDIS_URL="unix:///nowhere/redis.sock", WRITE_SUBMIT_TIMEOUT_SECONDS=0.2):
        nowhere = submitter.Submitter(ring=lambda: None)
        write = Write(function="jottings.add", arguments={}, token=new_token())
        with pytest.raises(QueueUnavailable):
            nowhere.submit(write, announced=True).wait(10)
        nowhere.close()


def test_an_outage_of_redis_is_said_once_and_so_is_its_end(
    transactional_db: None, writer: Writer, redis_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    def submit_to(url: str, one: submitter.Submitter) -> Submission:
        with override_settings(REDIS_URL=url, WRITE_SUBMIT_TIMEOUT_SECONDS=2):
            submission = one.submit(
                Write(function="jottings.add", arguments={"text": "x"}, token=new_token()), announced=True
            )
            submission.accepted()
        return submission

    one = submitter.Submitter(ring=lambda: None)
    for _ in range(3):
        with pytest.raises(QueueUnavailable):
            submit_to("unix:///nowhere/redis.sock", one)
    accepted = [submit_to(redis_server, one) for _ in range(2)]
    writer.drain()

    assert all(submission.wait(10) for submission in accepted)
    one.close()
    said = [message for message in caplog.messages if message.startswith("submit state=")]
    assert [line.split()[1] for line in said] == ["state=QueueUnavailable", "state=available"]


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


def test_whenever_a_submitter_is_closed_no_task_of_it_is_left_behind(
    writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    # While it connects, while it appends, and while it waits for the outcome.
    for number in range(60):
        submission = add("x")
        if number % 3:
            submission.accepted()
        client.end_submitter()
    gc.collect()

    left = [message for message in caplog.messages if "destroyed" in message and "Sender." in message]
    assert left == []
