import pytest
import redis
from django.conf import settings
from django.core.cache import caches

from workers.cache import SharedRedisCache
from workers.store import identity


def cache(prefix: str = "writes:cache") -> SharedRedisCache:
    return SharedRedisCache(settings.REDIS_URL, {"KEY_PREFIX": prefix})


def test_the_services_cache_is_one_that_spares_the_stream() -> None:
    assert isinstance(caches["default"], SharedRedisCache)


@pytest.mark.parametrize("prefix", ["writes:cache", "odd*[a]?\\prefix"])
def test_clearing_the_cache_leaves_everything_else_in_redis(clean_redis: redis.Redis, prefix: str) -> None:
    clean_redis.set("writes:last", "1")
    clean_redis.set("odd-and-other-prefix:1:x", "1")
    own = cache(prefix)
    for number in range(1_500):
        own.set(str(number), number)

    assert own.clear()

    assert own.get("3") is None
    assert clean_redis.get("writes:last") == b"1"
    assert clean_redis.get("odd-and-other-prefix:1:x") == b"1"


def test_a_test_run_neither_sees_nor_clears_what_a_running_service_has_cached(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(identity, "is_test_run", lambda: False)
        cache().set("session", "of a user")
    assert cache().get("session") is None
    cache().clear()

    monkeypatch.setattr(identity, "is_test_run", lambda: False)
    assert cache().get("session") == "of a user"
