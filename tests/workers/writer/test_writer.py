"""The stream, the writer and the callers in one process: each step happens when the test says so."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection
from django.test import override_settings

from tests.jottings.models import Jotting
from tests.jottings.write_functions import texts
from tests.waiting import until
from workers import Outcome, QueueUnavailable, StreamFull, Submission, WriteStatus, submit
from workers.exceptions import KeyInProgress, KeyReused
from workers.models import Receipt
from workers.operations.status import queue_status
from workers.store import identity
from workers.store.lease.command import release_command_lease
from workers.store.roles import Role
from workers.stream import heartbeat, keys, outcomes, ownership, pauses, redis_stream
from workers.stream.append import Appended, Appender
from workers.submission import client, combining, submitter
from workers.submission.idempotency import Idempotency, from_key
from workers.submission.read_after import Progress, wait_until_committed
from workers.writer import commit
from workers.writer.loop import Drained, Writer
from workers.writes import Write, new_token


def add(text: str, *, announced: bool = True, once: Idempotency | None = None) -> Submission:
    return submit(
        "jottings.add",
        {"data": {"text": text}},
        announced=announced,
        token=once.token if once else None,
        fingerprint=once.fingerprint if once else None,
    )


def accepted(text: str) -> int:
    return add(text, announced=False).accepted()


def in_thread(run: Callable[[], Outcome | None]) -> Callable[[], Outcome | None]:
    """Run in a thread of its own; return what waits for its answer."""
    answers: list[Outcome | BaseException | None] = []

    def work() -> None:
        try:
            answers.append(run())
        except Exception as exc:
            answers.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()

    def join() -> Outcome | None:
        thread.join(20)
        [answer] = answers
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return join


def test_an_accepted_write_is_committed_acknowledged_and_answered(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    submission = add("a")
    write_id = submission.accepted()
    answer = in_thread(lambda: submission.wait(10))

    writer.drain()

    outcome = answer()
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


def test_what_was_read_and_not_acknowledged_is_taken_first_and_in_order(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    for text in "ab":
        accepted(text)
    ownership.claim(clean_redis)
    redis_stream.read_new(clean_redis, count=10, wait_seconds=0)  # a predecessor that died before its commit
    accepted("c")

    writer.drain()

    assert texts() == ["a", "b", "c"]


def test_a_death_between_commit_and_acknowledgement_leaves_one_effect_and_the_right_answer(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    submission = add("a")
    submission.accepted()
    answer = in_thread(lambda: submission.wait(10))

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
    outcome = answer()
    assert outcome is not None
    assert outcome.status is WriteStatus.COMMITTED


def test_writes_whose_reading_lost_its_reply_are_committed_before_later_ones(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.drain()
    accepted("a")
    read_new = redis_stream.read_new

    def lose_the_reply(*args: Any, **options: Any) -> list[redis_stream.Entry]:
        if read_new(*args, **options):
            raise redis.ConnectionError("cut after Redis had handed the entries out")
        return []

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


def test_a_store_that_is_locked_acknowledges_nothing_kills_no_write_and_commits_once_it_is_free(
    writer: Writer,
    clean_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids = [accepted(text) for text in "ab"]
    release_command_lease()
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
        assert (status.length, status.writer and status.writer.error) == (2, "database is locked")
        other.execute("ROLLBACK")
        drain()

    assert texts() == ["a", "b"]
    assert list(Receipt.objects.order_by("pk").values_list("write_id", "status")) == [
        (write_id, WriteStatus.COMMITTED) for write_id in ids
    ]
    status = queue_status()
    assert (status.length, status.writer and status.writer.error) == (0, "")
    connection.close()


def test_a_store_that_fails_says_so_in_the_heartbeat(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted("a")
    monkeypatch.setattr("workers.writer.loop.RETRY_SECONDS", (0.0,))
    commit_batch, faults_seen = commit.commit_batch, []

    def fails_once(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        status = queue_status().writer
        faults_seen.append(status.error if status else "")
        if len(faults_seen) == 1:
            raise OperationalError("disk I/O error")
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", fails_once)
    writer.drain()

    assert faults_seen == ["", "disk I/O error"]
    state = queue_status().writer
    assert state is not None
    assert state.error == ""


def deadly(writer: Writer, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make the writer die while it applies the write of this text, like a segmentation fault would."""
    commit_batch = commit.commit_batch

    def die(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        set_aside = options["set_aside"]
        if any(write.arguments["data"]["text"] == text and not set_aside(write) for write in writes):
            raise SystemExit("killed")
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", die)


def test_a_write_that_kills_the_writer_is_set_aside_after_three_deaths_and_its_neighbours_go_on(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("a", "killer", "b"):
        accepted(text)
    deadly(writer, monkeypatch, "killer")
    deaths = 0

    for _ in range(10):
        try:
            if Writer().drain() is Drained.EMPTY:
                break
        except SystemExit:
            deaths += 1

    assert deaths == 3
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
    pauses.request(clean_redis, pauses.PauseKind.OPERATOR, pause, seconds=60)

    assert writer.drain() is Drained.PAUSE
    assert texts() == []

    pauses.withdraw(clean_redis, pauses.PauseKind.OPERATOR)
    assert Writer().drain() is Drained.EMPTY
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


def test_an_append_whose_reply_was_cut_off_rings_for_the_lost_answer(
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
    answers = [in_thread(lambda: add("x").wait(20))]
    until(lambda: sizes, what="the first append")
    answers += [in_thread(lambda: add("x").wait(20)) for _ in range(few)]
    until(lambda: len(client.submitter()._lead._combiner._unsent) == few, what="requests lined up")
    go_on.set()

    until(lambda: writer.drain() and Jotting.objects.count() == 1 + few, what="all commits")

    assert all(answer() is not None for answer in answers)
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

    assert all(answer() is not None for answer in others)
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
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, sent = threading.Event(), []
    append = Appender.append

    def slow_append(appender: Appender, writes: Iterable[Write]) -> Appended:
        together = list(writes)
        sent.append(len(together))
        if len(sent) == 1:
            go_on.wait(10)
        return append(appender, together)

    monkeypatch.setattr(Appender, "append", slow_append)
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
    answers = [in_thread(lambda s=submission: s.wait(20)) for submission in submissions]  # type: ignore[misc]

    writer.drain()

    got = [answer() for answer in answers]
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


def test_reading_after_a_write_waits_for_its_commit(writer: Writer) -> None:
    write_id = accepted("a")
    assert wait_until_committed(write_id, 0) is Progress.WAITING
    got: list[Progress] = []

    def read() -> None:
        got.append(wait_until_committed(write_id, 20))
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    until(lambda: writer._client.pubsub_numsub(keys.progress())[0][1] == 1, what="the reader's subscription")

    writer.drain()

    thread.join(20)
    assert got == [Progress.THROUGH]


def test_progress_is_announced_up_to_the_last_write_of_the_batch_and_no_further(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    with clean_redis.pubsub() as pubsub:
        pubsub.subscribe(keys.progress())
        until(lambda: clean_redis.pubsub_numsub(keys.progress())[0][1] == 1, what="the subscription")
        ids = [accepted(text) for text in "abcd"]

        with override_settings(WRITE_BATCH_MAX_WRITES=2):
            writer.drain()

        messages = list(iter(lambda: pubsub.get_message(timeout=0.1), None))
        announced = [int(message["data"]) for message in messages if message["type"] == "message"]
    assert announced == [ids[1], ids[3]]


def test_a_writer_that_stops_has_closed_the_store(writer: Writer) -> None:
    accepted("a")
    writer.drain()
    assert connection.connection is not None

    writer.retire()

    assert connection.connection is None


def test_reading_after_a_write_that_was_never_accepted_is_told_apart(writer: Writer) -> None:
    assert wait_until_committed(accepted("a") + 1_000_000_000, 5) is Progress.UNKNOWN


def test_an_announcement_that_is_lost_is_made_up_for_by_the_receipt(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat.Heartbeat(clean_redis).renew(committed=0)
    monkeypatch.setattr(outcomes, "announce", lambda *args, **kwargs: None)
    submission = add("a")
    submission.accepted()
    answer = in_thread(lambda: submission.wait(20))

    writer.drain()

    outcome = answer()
    assert outcome is not None
    assert outcome.status is WriteStatus.COMMITTED


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


def test_a_retired_writer_is_known_to_be_gone(writer: Writer) -> None:
    writer.drain()
    assert queue_status().writer is not None

    writer.retire()

    assert queue_status().writer is None
