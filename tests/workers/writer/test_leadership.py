"""A process's time as the writer ends with nothing of the store left open, whatever ended it."""

from collections.abc import Iterator

import pytest
import redis
from django.db import connection

from workers.store.roles import Role, current_role, set_role
from workers.stream import keys
from workers.writer.loop import Drained, Writer
from workers.writer.worker import leadership as leadership_module
from workers.writer.worker.leadership import Leadership


@pytest.fixture
def leadership(clean_redis: redis.Redis, transactional_db: None) -> Iterator[Leadership]:
    leadership = Leadership()
    yield leadership
    leadership.end(reason="test")
    connection.close()
    set_role(Role.COMMAND)


def test_whoever_gives_the_lease_back_has_closed_the_store(leadership: Leadership) -> None:
    assert leadership.try_begin()
    connection.ensure_connection()

    leadership.end(reason="pause")

    assert connection.connection is None
    assert current_role() is Role.COMMAND
    assert not leadership.lease.is_held


def test_who_does_not_reach_redis_gives_the_lease_back_to_whoever_does(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(writer: Writer) -> Drained:
        raise redis.ConnectionError

    assert leadership.try_begin()
    assert leadership.work(fail) is None
    assert leadership.lease.is_held  # for a moment without Redis, as at its restart, nothing changes

    monkeypatch.setattr(leadership_module, "AWAY_SECONDS", 0.0)
    assert leadership.work(fail) is None
    assert not leadership.lease.is_held

    assert leadership.try_begin()
    assert leadership.work(Writer.tend) is Drained.EMPTY


def test_whoever_is_refused_as_the_writer_keeps_no_connection_that_may_write(
    leadership: Leadership, clean_redis: redis.Redis
) -> None:
    clean_redis.hset(keys.owner(), "store", "0" * 32 + ":1:2")
    clean_redis.xadd(keys.stream(), {"w": b"of the other store"})

    assert not leadership.try_begin()

    assert connection.connection is None
    assert current_role() is Role.COMMAND
    assert not leadership.lease.is_held
