"""Connections to Redis: which addresses are known, and that a fiber does not stop its loop by a command."""

import asyncio

import pytest
import redis

from workers.event_loop import fibers, lanes
from workers.stream import redis_client


def test_an_address_of_an_unknown_kind_is_refused_with_the_kinds_that_are_known() -> None:
    with pytest.raises(ValueError, match="rediss://"):
        redis_client.connect(timeout_seconds=1, url="valkey://127.0.0.1")


def test_a_command_in_a_fiber_is_sent_beside_the_loop(clean_redis: redis.Redis) -> None:
    async def serve(client: redis.Redis) -> tuple[object, bool]:
        waiting = asyncio.ensure_future(fibers.run(client.blpop, ["list"], 15))
        while not clean_redis.info("clients")["blocked_clients"]:
            await asyncio.sleep(0.001)
        still_waits = not waiting.done()
        clean_redis.rpush("list", "a")
        return await waiting, still_waits

    with redis_client.connect(timeout_seconds=20) as client:
        assert asyncio.run(serve(client)) == ((b"list", b"a"), True)


def test_a_redis_that_holds_all_threads_is_a_time_out(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_short_calls", lanes.Lane(threads=1))
    monkeypatch.setattr(lanes, "SHORT_CALLS_WAIT_SECONDS", 0.05)

    async def serve(client: redis.Redis) -> None:
        holding = asyncio.ensure_future(fibers.run(client.blpop, ["list"], 15))
        while not clean_redis.info("clients")["blocked_clients"]:
            await asyncio.sleep(0.001)
        with pytest.raises(redis.TimeoutError):
            await fibers.run(client.ping)
        clean_redis.rpush("list", "a")
        await holding

    with redis_client.connect(timeout_seconds=20) as client:
        asyncio.run(serve(client))
