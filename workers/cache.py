"""Django's cache in the Redis that also holds accepted writes."""

import re
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from workers.redis_address import names_sentinels
from workers.store import identity
from workers.stream.redis_client import Client
from workers.stream.redis_pools import Pool

CLEARED_AT_ONCE = 1_000


class _CacheClient(RedisCacheClient):
    """Django's own, for fibers: it stops no event loop, and all caches of a process share connections."""

    _pools_of: dict[str, dict[int, Any]] = {}  # shared on purpose

    def __init__(self, servers: Any, **options: Any) -> None:
        super().__init__(servers, **{"pool_class": Pool, **options})
        self._client = Client
        self._pools = self._pools_of.setdefault(repr((servers, sorted(options.items()))), {})


class SharedRedisCache(RedisCache):
    """Django's own, but for `clear()`, which there empties the whole database: the stream of writes with it.

    In a test run its keys are apart, so that no test logs anybody out of a service on the same Redis.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        if isinstance(server, str) and names_sentinels(server):
            self._servers = [server]  # Django's own splits it at each comma
        self._class = _CacheClient

    @property
    def key_prefix(self) -> str:
        return f"{self._key_prefix}:test-run" if identity.is_test_run() else self._key_prefix

    @key_prefix.setter
    def key_prefix(self, value: str) -> None:
        self._key_prefix = value

    def run_script(self, text: str, key: str, *arguments: Any) -> Any:
        """Run a Lua script on one key of this cache, and return its reply. Raises redis.RedisError."""
        client: Any = self._cache.get_client(None, write=True)
        return client.register_script(text)(keys=[self.make_and_validate_key(key)], args=arguments)

    def clear(self) -> bool:  # type: ignore[override]  # as Django's own for Redis, against the stubs
        """Delete the keys of this cache."""
        client: Any = self._cache.get_client(None, write=True)
        # The prefix is no pattern: what means something in one is escaped.
        prefix = re.sub(r"([\\*?\[\]^-])", r"\\\1", self.key_prefix)
        keys = list(client.scan_iter(match=f"{prefix}:*", count=CLEARED_AT_ONCE))
        for start in range(0, len(keys), CLEARED_AT_ONCE):
            client.unlink(*keys[start : start + CLEARED_AT_ONCE])
        return bool(keys)
