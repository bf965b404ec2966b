"""A stream is one store's: nobody else's writes get into it, and nobody else's writer commits them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connections
from rest_framework.test import APIClient

from tests.jottings.write_functions import texts
from workers import StreamOfAnotherStore, queue_status, submit
from workers.doctor import Level, write_path
from workers.store import identity, store_file
from workers.store.identity import StoreId
from workers.stream import heartbeat, keys, ownership, redis_stream
from workers.stream.ownership import Here, Owner, may_replace
from workers.submission import client
from workers.writer.loop import Drained, Writer

STRANGER = StoreId(identity="f" * 32, file="1:2")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What says which store this process has; a test may say another one."""
    client.end_submitter()
    yield monkeypatch
    client.end_submitter()


def be(store: StoreId, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(identity, "_current", store)
    patch.delitem(vars(client.stream_submitter()), "_appender", raising=False)


def a_copy() -> StoreId:
    return replace(identity.read(), file="3:4")


def add(text: str) -> int:
    return submit("jottings.add", {"data": {"text": text}}, announced=False).accepted()


@pytest.mark.parametrize("other", ["another store", "a copy"])
def test_a_process_of_another_store_cannot_hand_its_writes_to_this_writer(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis, other: str
) -> None:
    add("mine")
    with own.context() as patch:
        be(STRANGER if other == "another store" else a_copy(), patch)
        with pytest.raises(StreamOfAnotherStore):
            add("not mine")

    writer.drain()

    assert texts() == ["mine"]


@pytest.mark.parametrize("other", ["another store", "a copy"])
def test_a_writer_of_another_store_cannot_begin_at_this_stream(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis, other: str
) -> None:
    writer.drain()  # it is at work
    add("mine")
    with own.context() as patch:
        be(STRANGER if other == "another store" else a_copy(), patch)
        with pytest.raises(StreamOfAnotherStore, match="1 accepted writes wait"):
            Writer()

    writer.drain()

    assert texts() == ["mine"]


def test_a_writer_that_was_frozen_while_another_store_took_the_stream_reads_and_deletes_nothing(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    """Its entries are read, its heartbeat is gone, and somebody adopts the stream on purpose."""
    add("read before")
    [entry], _ = redis_stream.read_new(clean_redis, count=10)
    with own.context() as patch:
        be(STRANGER, patch)
        ownership.claim(clean_redis, by_order=True)
        client.end_submitter()
        add("for the other store")

    redis_stream.acknowledge(redis_stream.acknowledge_script(clean_redis), [entry], claimed=[])
    with pytest.raises(StreamOfAnotherStore):
        writer.drain()

    assert redis_stream.length(clean_redis) == 2
    assert texts() == []


def test_a_new_store_may_have_a_stream_in_which_nothing_waits(
    clean_redis: redis.Redis, own: pytest.MonkeyPatch, transactional_db: None
) -> None:
    be(STRANGER, own)

    ownership.claim(clean_redis)

    found = ownership.owner(clean_redis)
    assert found is not None
    assert found.store == str(STRANGER)


def test_a_stream_in_which_writes_wait_is_kept_for_its_store(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    add("mine")
    with own.context() as patch:
        be(STRANGER, patch)
        with pytest.raises(StreamOfAnotherStore, match="adopt_stream"):
            ownership.claim(clean_redis)
    assert writer.drain() is Drained.EMPTY
    assert texts() == ["mine"]


def test_a_store_restored_in_the_same_place_goes_on_with_what_waits(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    with own.context() as patch:
        be(a_copy(), patch)
        ownership.claim(clean_redis, by_order=True)
        client.end_submitter()
        add("accepted before the restore")
    client.end_submitter()

    Writer().drain()  # the same identity and path, another file

    assert texts() == ["accepted before the restore"]


def test_who_may_take_a_stream_over(tmp_path: Path) -> None:
    original = tmp_path / "store.sqlite3"
    original.touch()
    file = store_file.file_id(original)
    assert file is not None
    owner = Owner(store=f"{'a' * 32}:{file[0]}:{file[1]}", path=str(original), host="here")
    gone = replace(owner, path=str(tmp_path / "gone.sqlite3"))
    same = StoreId(identity="a" * 32, file="9:9")
    copy = Here(store=same, path="/elsewhere/store.sqlite3", host="here")

    assert may_replace(owner, Here(store=STRANGER, path="/x", host="here")) == (True, True)
    assert may_replace(owner, replace(copy, path=str(original))) == (True, False)  # restored
    assert may_replace(owner, copy) == (False, False)  # the original is in its place
    assert may_replace(gone, copy) == (True, False)  # moved
    assert may_replace(gone, replace(copy, host="there")) == (True, True)  # cannot be seen from there


def test_a_test_run_does_not_take_a_stream_that_is_nobodys(
    redis_server: str, own: pytest.MonkeyPatch, transactional_db: None, clean_redis: redis.Redis
) -> None:
    clean_redis.flushall()

    with pytest.raises(StreamOfAnotherStore):
        add("from a test")

    assert clean_redis.keys() == []


def test_a_web_process_may_have_a_stream_that_is_nobodys(
    own: pytest.MonkeyPatch, clean_redis: redis.Redis, transactional_db: None
) -> None:
    own.setattr(identity, "is_test_run", lambda: False)
    clean_redis.flushall()

    add("before the first writer")
    Writer().drain()

    assert texts() == ["before the first writer"]


def test_another_stores_stream_is_a_503_with_a_code_and_shows_in_ready_and_doctor(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    writer.drain()
    be(STRANGER, own)
    api = APIClient()

    response = api.post("/api/deadly/", {})
    ready = api.get("/health/ready")

    assert (response.status_code, response.data["code"]) == (503, "stream_of_another_store")
    assert ready.status_code == 503
    assert "belongs to another store" in str(ready.data["fields"])
    [finding] = write_path.examine(clean_redis)
    assert finding.level is Level.ERROR
    assert "WRITE_KEY_PREFIX" in finding.msg
    assert queue_status().is_of_another_store


def test_the_identity_outlives_flush_and_is_one(transactional_db: None) -> None:
    before = identity.read()

    call_command("flush", interactive=False, verbosity=0)

    assert identity.read() == before
    with connections["default"].cursor() as cursor:
        identity.ensure(connections["default"])
        cursor.execute("SELECT count(*) FROM workers_identity")
        assert cursor.fetchone() == (1,)


def adopt(*arguments: str) -> str:
    output = StringIO()
    call_command("adopt_stream", *arguments, stdout=output)
    return output.getvalue()


def test_adopt_stream_takes_what_waits_unless_a_writer_is_at_work(
    writer: Writer, own: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    assert "already" in adopt()
    with own.context() as patch:
        be(STRANGER, patch)
        ownership.claim(clean_redis)
        add("of another store")
        heartbeat.Heartbeat(clean_redis).renew(committed=0)
    client.end_submitter()
    with pytest.raises(CommandError, match=f"pid {os.getpid()}"):
        adopt("--no-input")

    clean_redis.delete(keys.heartbeat())
    with pytest.raises(CommandError, match="--no-input"):
        adopt()
    assert "1 write waits" in adopt("--no-input")
    Writer().drain()

    assert texts() == ["of another store"]


def test_a_stream_that_was_handed_over_is_not_taken_back_by_a_restart_but_by_a_move_or_by_order(
    own: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    here = ownership._here()
    there = Here(store=replace(here.store, file="pg-1-2"), path="one_writer", host="db")
    ownership.hand_over(clean_redis, there)

    handed_over = ownership.owner(clean_redis)
    assert handed_over is not None
    assert (handed_over.store, handed_over.moved_from) == (str(there.store), str(here.store))
    assert may_replace(handed_over, here) == (False, False)
    with pytest.raises(StreamOfAnotherStore, match="This store was moved at one_writer on db"):
        ownership.claim(clean_redis)

    with own.context() as patch:
        be(there.store, patch)
        ownership.hand_over(clean_redis, here)
    back = ownership.owner(clean_redis)
    assert back is not None and (back.store, back.moved_from) == (str(here.store), str(there.store))
    ownership.claim(clean_redis)  # it is the owner again

    ownership.hand_over(clean_redis, there)
    ownership.claim(clean_redis, by_order=True)
    by_order = ownership.owner(clean_redis)
    assert by_order is not None and (by_order.store, by_order.moved_from) == (str(here.store), "")
