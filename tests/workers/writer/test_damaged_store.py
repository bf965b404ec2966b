"""A damaged store is not written: the writer says so, what was accepted waits, and a backup helps."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import connection, connections

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.writer_process import WRITER, running
from workers import submit, why_not_ready
from workers.backups import making, restoring
from workers.backups.archive import Backup
from workers.store import identity
from workers.store.lease import is_held
from workers.stream import heartbeat, keys, ownership, redis_stream

PAGE_BYTES = 4_096


@pytest.fixture
def store(clean_redis: redis.Redis, transactional_db: None, tmp_path: Path) -> Iterator[Path]:
    """A store of the test's own, with a write in it, which nobody has open."""
    store = tmp_path / "store.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(store)])
    connections.close_all()
    original = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(store)
    identity.forget()
    clean_redis.flushall()
    ownership.claim(clean_redis)
    submit("jottings.add", {"data": {"text": "before"}}, announced=False).accepted()
    with running(WRITER):
        until(lambda: not redis_stream.length(clean_redis), seconds=30, what="the sound store to be written")
    clean_redis.delete(keys.heartbeat())
    yield store
    connections.close_all()
    connection.settings_dict["NAME"] = original


@pytest.fixture
def backup(store: Path, tmp_path: Path) -> Backup:
    return making.make(store, tmp_path / "backups", compresses=False)


def damage(store: Path) -> None:
    """Overwrite the first page of the table that is written, as a bad disk does: no time of change tells."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jottings_jotting'")
        (page,) = cursor.fetchone()
    connections.close_all()
    found = store.stat()
    with store.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)
    os.utime(store, ns=(found.st_atime_ns, found.st_mtime_ns))


def reason() -> str:
    """Return what stands in the way in the store, nothing while it is well."""
    return why_not_ready().get("store", "")


def test_a_damaged_store_is_refused_with_the_hint_and_a_backup_goes_on_with_what_waits(
    store: Path, backup: Backup, clean_redis: redis.Redis
) -> None:
    submit("jottings.add", {"data": {"text": "accepted"}}, announced=False).accepted()
    damage(store)
    before = store.read_bytes()

    with running(WRITER):
        said = until(reason, seconds=30, what="the writer to refuse the store")
        assert f"{store} is damaged (" in said
        assert "Stop the service, then `manage.py restore`" in said
        submit("jottings.add", {"data": {"text": "meanwhile"}}, announced=False).accepted()
        state = heartbeat.read(clean_redis)
        assert not is_held(Path(f"{store}.lease"))
        assert state is not None and (state.commits, state.error) == (0, said.partition(": ")[2])

    assert redis_stream.length(clean_redis) == 2
    assert store.read_bytes() == before
    connections.close_all()
    restoring.restore(backup, store)
    with running(WRITER):
        until(lambda: texts() == ["before", "accepted", "meanwhile"], seconds=30, what="the rest")


def test_damage_that_a_commit_meets_holds_it_back_and_is_said_with_the_hint(
    store: Path, clean_redis: redis.Redis
) -> None:
    with running(WRITER):
        until(lambda: heartbeat.read(clean_redis), seconds=30, what="the writer to be at work")
        damage(store)
        submit("jottings.add", {"data": {"text": "accepted"}}, announced=False).accepted()

        said = until(reason, seconds=30, what="the writer to meet it")

        assert f"{store} is damaged (database disk image is malformed)." in said
        assert "Stop the service, then `manage.py restore`" in said
        assert redis_stream.length(clean_redis) == 1
