"""A store that is no more what it was: nothing is acknowledged, and everybody is told why."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection, connections
from django.test import override_settings

from tests.jottings.write_functions import texts
from workers import queue_status, submit
from workers.store.roles import Role, set_role
from workers.stream import heartbeat, pauses, redis_stream
from workers.submission import client
from workers.writer import commit
from workers.writer.worker.leadership import Leadership
from workers.writes import Write


@pytest.fixture
def leadership(clean_redis: redis.Redis, transactional_db: None, tmp_path: Path) -> Iterator[Leadership]:
    """A writer in this process, with the lease, on a store of the test's own; its log holds commits."""
    copy = tmp_path / "store.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    connections.close_all()
    original = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(copy)
    leadership = Leadership()
    assert leadership.try_begin()
    add("opened")  # brings the log into being
    drain(leadership)
    shutil.copy(copy, f"{copy}.backup")
    add("before")
    drain(leadership)
    yield leadership
    leadership.end(reason="test")
    connection.settings_dict["NAME"] = original
    connections.close_all()
    # Who looks up receipts does so in a thread, whose connection would stay with the store of this test.
    client.stream_submitter()._listener._reader.submit(connections.close_all).result()
    set_role(Role.COMMAND)


def add(text: str) -> int:
    return submit("jottings.add", {"data": {"text": text}}, announced=False).accepted()


def drain(leadership: Leadership) -> None:
    assert leadership.writer is not None
    with override_settings(WRITE_TASK_SECONDS=0.2):
        leadership.writer.drain()


def path() -> Path:
    return Path(connection.settings_dict["NAME"])


def move_backup_over() -> None:
    os.replace(f"{path()}.backup", path())


def copy_backup_over() -> None:
    with open(f"{path()}.backup", "rb") as backup, path().open("r+b") as store:
        shutil.copyfileobj(backup, store)
        store.truncate()


def move_away() -> None:
    os.replace(path(), f"{path()}.away")


def delete() -> None:
    path().unlink()


def truncate() -> None:
    os.truncate(path(), 0)


def delete_log() -> None:
    Path(f"{path()}-wal").unlink()


def delete_shared_memory() -> None:
    Path(f"{path()}-shm").unlink()


def point_the_link_elsewhere() -> None:
    """As a deploy that switches folders does."""
    os.replace(path(), f"{path()}.real")
    path().symlink_to(f"{path()}.backup")


KINDS = [
    move_backup_over,
    copy_backup_over,
    move_away,
    delete,
    truncate,
    delete_log,
    delete_shared_memory,
    point_the_link_elsewhere,
]


@pytest.mark.parametrize("change", KINDS)
def test_a_writer_whose_store_was_changed_acknowledges_nothing_and_says_why(
    leadership: Leadership, clean_redis: redis.Redis, change: Callable[[], None]
) -> None:
    change()
    add("after")

    drain(leadership)

    assert redis_stream.length(clean_redis) == 1
    writer = queue_status().writer
    assert writer is not None
    assert "while" in (writer.error or "")
    assert "Stop the service" in (writer.error or "")


@pytest.mark.parametrize("change", KINDS)
def test_an_idle_writer_notices_too(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]
) -> None:
    change()
    monkeypatch.setattr(heartbeat.Heartbeat, "is_due", True)

    drain(leadership)

    writer = queue_status().writer
    assert writer is not None
    assert "Stop the service" in (writer.error or "")


def test_a_change_during_the_commit_is_noticed_before_anybody_is_told(
    leadership: Leadership, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_batch = commit.commit_batch

    def commit_and_replace(writes: Sequence[Write], **options: Any) -> list[commit.Settled]:
        settled = commit_batch(writes, **options)
        move_backup_over()
        return settled

    monkeypatch.setattr(commit, "commit_batch", commit_and_replace)
    add("after")

    drain(leadership)

    assert redis_stream.length(clean_redis) == 1


def test_a_link_that_comes_to_lead_to_another_store_is_noticed(
    leadership: Leadership, clean_redis: redis.Redis
) -> None:
    original = path()
    leadership.end(reason="test")
    link = original.with_name("current.sqlite3")
    link.symlink_to(original)
    connection.settings_dict["NAME"] = str(link)
    linked = Leadership()
    assert linked.try_begin()
    try:
        link.with_name("next").symlink_to(f"{original}.backup")
        os.replace(link.with_name("next"), link)
        add("after")

        drain(linked)

        assert redis_stream.length(clean_redis) == 1
        writer = queue_status().writer
        assert writer is not None
        assert "Stop the service" in (writer.error or "")
    finally:
        linked.end(reason="test")


def test_a_store_that_comes_back_is_written_again(leadership: Leadership, clean_redis: redis.Redis) -> None:
    move_away()
    add("after")
    drain(leadership)
    assert redis_stream.length(clean_redis) == 1

    os.replace(f"{path()}.away", path())
    drain(leadership)

    assert redis_stream.length(clean_redis) == 0
    assert texts() == ["opened", "before", "after"]


@pytest.mark.parametrize("change", [move_backup_over, copy_backup_over, delete])
def test_whoever_takes_over_does_not_bring_the_new_file_and_the_old_log_together(
    leadership: Leadership, clean_redis: redis.Redis, change: Callable[[], None]
) -> None:
    change()
    add("after")
    drain(leadership)
    leadership.end(reason="killed, say")
    successor = Leadership()

    assert not successor.try_begin()

    writer = queue_status().writer
    assert writer is not None
    assert "Stop the service" in (writer.error or "")


def test_a_writer_does_not_go_over_to_another_file_without_a_restart(
    leadership: Leadership, clean_redis: redis.Redis
) -> None:
    leadership.end(reason="pause")
    for suffix in ("-wal", "-shm"):
        Path(f"{path()}{suffix}").unlink(missing_ok=True)
    move_backup_over()

    assert not leadership.try_begin()

    restarted = Leadership()
    try:
        assert restarted.try_begin()
        assert texts() == []
    finally:
        restarted.end(reason="test")


def test_the_writers_own_checkpoints_and_those_of_a_command_change_nothing(
    leadership: Leadership, clean_redis: redis.Redis
) -> None:
    with override_settings(WRITE_CHECKPOINT_BYTES=1):
        for number in range(3):
            add(str(number))
            drain(leadership)
    assert redis_stream.length(clean_redis) == 0
    leadership.end(reason="pause")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 0")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connections.close_all()

    assert pauses.requested(clean_redis) is None
    assert leadership.try_begin()
    add("after")
    drain(leadership)
    assert texts() == ["opened", "before", "0", "1", "2", "after"]
