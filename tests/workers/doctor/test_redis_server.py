"""Redis: each finding is forced on a real one, or by the plain values that it is judged by."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.waiting import until
from workers.doctor import Level, redis_server

REWRITES = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")


@contextmanager
def redis_option(client: redis.Redis, **options: str) -> Iterator[None]:
    """Set options of the real Redis while the block runs."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    before = {name: str(client.config_get(name)[name]) for name in named}
    try:
        for name, value in named.items():
            client.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)
        # Until the log is whole again, Redis does not obey the SIGTERM that ends the tests.
        until(
            lambda: not any(client.info("persistence")[name] for name in REWRITES), what="the log to be whole"
        )


@pytest.mark.parametrize(
    ("option", "name", "level", "hint"),
    [
        (
            {"appendonly": "no"},
            "redis.persistence",
            Level.ERROR,
            "Set `appendonly yes` and `appendfsync always`",
        ),
        ({"appendfsync": "no"}, "redis.persistence", Level.ERROR, "Set `appendfsync always`"),
        ({"appendfsync": "everysec"}, "redis.persistence", Level.WARNING, "Set `appendfsync always`"),
        (
            {"no_appendfsync_on_rewrite": "yes"},
            "redis.rewrite",
            Level.WARNING,
            "no-appendfsync-on-rewrite no",
        ),
        ({"maxmemory_policy": "allkeys-lru"}, "redis.eviction", Level.WARNING, "maxmemory-policy noeviction"),
        (
            {"maxmemory_policy": "allkeys-lru", "maxmemory": "1gb"},
            "redis.eviction",
            Level.ERROR,
            "maxmemory-policy noeviction",
        ),
    ],
)
def test_an_option_of_redis_that_can_lose_accepted_writes_is_found(
    clean_redis: redis.Redis, option: dict[str, str], name: str, level: Level, hint: str
) -> None:
    with redis_option(clean_redis, **option):
        found = {finding.name: finding for finding in redis_server.examine(clean_redis)}

    assert found[name].level is level
    assert hint in found[name].hint


def test_everysec_is_named_with_what_it_can_lose(clean_redis: redis.Redis) -> None:
    with redis_option(clean_redis, appendfsync="everysec"):
        found = {finding.name: finding for finding in redis_server.examine(clean_redis)}

    assert "power loss can lose the writes accepted in the last second" in found["redis.persistence"].msg


def test_where_config_is_not_permitted_that_is_said_and_the_rest_examined(clean_redis: redis.Redis) -> None:
    clean_redis.execute_command("ACL", "SETUSER", "plain", "on", "nopass", "~*", "&*", "+@all", "-config")
    try:
        path = clean_redis.connection_pool.connection_kwargs["path"]
        with redis.Redis(unix_socket_path=path, username="plain", password="any") as client:
            found = {finding.name: finding for finding in redis_server.examine(client)}
    finally:
        clean_redis.execute_command("ACL", "DELUSER", "plain")

    assert found["redis.config"].level is Level.WARNING
    assert "config|get" in found["redis.config"].hint
    assert "redis.persistence" not in found
    assert found["redis.eviction"].level is Level.OK


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [(95, 100, Level.ERROR), (80, 100, Level.WARNING), (79, 100, Level.OK), (500, 0, Level.OK)],
)
def test_memory_that_runs_out_is_said(used: int, limit: int, level: Level) -> None:
    finding = redis_server.judge_memory(used, limit)

    assert finding.level is level
    assert finding.hint.startswith("Raise maxmemory") is (level is not Level.OK)


@pytest.mark.parametrize(
    ("version", "level"),
    [("6.0.16", Level.ERROR), ("6.2.0", Level.OK), ("7.2.4", Level.OK), ("10.0", Level.OK)],
)
def test_a_redis_that_is_too_old_is_an_error(version: str, level: Level) -> None:
    finding = redis_server.judge_version(version)

    assert finding.level is level
    assert ("Use Redis 6.2 or newer" in finding.hint) is (level is Level.ERROR)


def test_a_valkey_is_called_by_its_own_name_and_version() -> None:
    finding = redis_server.judge_version("7.2.4", valkey="8.1.1")

    assert (finding.level, finding.msg) == (Level.OK, "Valkey 8.1.1, compatible with Redis 7.2.4.")


@pytest.mark.parametrize(
    ("skew", "words"), [(0.9, "Within"), (-0.9, "Within"), (1.5, "1.5 s ahead of"), (-2.0, "2.0 s behind")]
)
def test_a_clock_that_is_off_is_said(skew: float, words: str) -> None:
    finding = redis_server.judge_clock(skew)

    assert words in finding.msg
    assert ("NTP" in finding.hint) is (abs(skew) > 1)


def test_an_append_only_file_that_cannot_be_written_is_an_error() -> None:
    finding = redis_server.judge_log_state({"aof_last_write_status": "err"})

    assert finding.level is Level.ERROR
    assert "Make room on Redis's disk" in finding.hint
    assert redis_server.judge_log_state({"aof_last_bgrewrite_status": "err"}).level is Level.WARNING


@pytest.mark.parametrize(
    ("connected", "wanted", "fails_over", "level"),
    [
        (0, 0, False, Level.OK),
        (2, 0, False, Level.OK),
        (2, 1, True, Level.OK),
        (2, 0, True, Level.WARNING),
        (0, 1, True, Level.ERROR),
        (1, 2, False, Level.ERROR),
    ],
)
def test_replicas_are_judged_by_what_a_fail_over_can_lose(
    connected: int, wanted: int, fails_over: bool, level: Level
) -> None:
    finding = redis_server.judge_replicas(connected, wanted=wanted, fails_over=fails_over)

    assert (finding.name, finding.level) == ("redis.replicas", level)
