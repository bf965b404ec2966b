"""A link has its connection closed, whatever ends it."""

import asyncio
from typing import Any

import pytest
import redis

from workers.stream.link import Link, open_link


async def _opened() -> tuple[Link, Any]:
    link = await open_link("c", timeout_seconds=5, on_message=lambda message: None, on_lost=lambda exc: None)
    return link, link._connection._writer.transport  # type: ignore[union-attr]  # it is open


@pytest.mark.parametrize("turns", [0, 3])
def test_the_end_of_its_loop_closes_it(clean_redis: redis.Redis, turns: int) -> None:
    async def leave() -> tuple[Link, Any]:
        found = await _opened()
        for _ in range(turns):
            await asyncio.sleep(0)
        return found

    link, transport = asyncio.run(leave())

    assert transport.is_closing()
    assert link._connection._writer is None


def test_closed_it_tells_who_still_waits(clean_redis: redis.Redis) -> None:
    async def close() -> tuple[Any, Any]:
        link, transport = await _opened()
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        link.send("BLPOP", "nothing", "0", then=told.set_result)
        link.close()
        return await told, transport

    told, transport = asyncio.run(close())

    assert isinstance(told, redis.ConnectionError)
    assert transport.is_closing()
