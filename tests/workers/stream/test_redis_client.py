"""When a connection to Redis is looked at before it is used, and when it is taken for open."""

import pytest
import redis

from workers.stream import redis_client


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(redis_client, "time", clock)
    return clock


def closed_by_redis(admin: redis.Redis) -> redis.Redis:
    """Return a client that has used its connection, which Redis has closed since."""
    client = redis_client.connect(timeout_seconds=2)
    number = client.client_id()
    admin.client_kill_filter(_id=str(number))
    return client


def test_a_connection_that_redis_has_closed_is_replaced_before_it_is_used(
    clean_redis: redis.Redis, clock: Clock
) -> None:
    client = closed_by_redis(clean_redis)

    clock.now += redis_client.RECENT_SECONDS
    assert client.ping()


def test_a_connection_that_was_used_a_moment_ago_is_not_looked_at_and_fails_without_a_repetition(
    clean_redis: redis.Redis, clock: Clock
) -> None:
    client = closed_by_redis(clean_redis)

    with pytest.raises(redis.ConnectionError):
        client.incr("writes:counter")
    assert clean_redis.get("writes:counter") is None
    assert client.ping()


def test_an_address_of_an_unknown_kind_is_refused_with_the_kinds_that_are_known() -> None:
    with pytest.raises(ValueError, match="rediss://"):
        redis_client.connect(timeout_seconds=1, url="valkey://127.0.0.1")


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
def test_every_kind_of_address_is_served_alike(scheme: str) -> None:
    address = "/tmp/x.sock" if scheme == "unix" else "127.0.0.1:1/0"
    pool = redis_client.connect(timeout_seconds=1, url=f"{scheme}://{address}").connection_pool

    assert issubclass(pool.connection_class, redis_client._TrustsRecentUse)
