"""Synchronous code on an event loop: it goes on with others while the code waits."""

import asyncio
import contextvars
from typing import Any

import pytest

from workers.event_loop import fibers
from workers.event_loop.bells import new_bell

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who")


def test_a_fiber_returns_what_it_made_of_what_it_waited_for() -> None:
    async def three() -> int:
        await asyncio.sleep(0)
        return 3

    def work(factor: int) -> int:
        return factor * fibers.wait_for(three())

    assert asyncio.run(fibers.run(work, 2)) == 6


def test_what_an_awaitable_raises_is_raised_where_the_fiber_waits_and_leaves_it() -> None:
    seen: list[str] = []

    async def fail() -> None:
        raise LookupError("no")

    def work() -> None:
        try:
            fibers.wait_for(fail())
        except LookupError:
            seen.append("raised there")
            raise

    with pytest.raises(LookupError):
        asyncio.run(fibers.run(work))
    assert seen == ["raised there"]


def test_a_cancelled_fiber_cleans_up_after_itself() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            fibers.wait_for(asyncio.sleep(60))
        finally:
            seen.append("cleaned up")

    async def cancel() -> None:
        task = asyncio.ensure_future(fibers.run(work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert seen == ["cleaned up"]


def test_fibers_take_turns_and_each_has_context_variables_of_its_own() -> None:
    order: list[str] = []

    def work(name: str) -> str:
        WHO.set(name)
        for _ in range(2):
            order.append(name)
            fibers.wait_for(asyncio.sleep(0))
        return WHO.get()

    async def both() -> list[str]:
        return list(await asyncio.gather(fibers.run(work, "a"), fibers.run(work, "b")))

    assert asyncio.run(both()) == ["a", "b"]
    assert order == ["a", "b", "a", "b"]


def test_only_code_of_a_fiber_is_in_one() -> None:
    async def ask() -> tuple[bool, bool, bool]:
        in_thread = await asyncio.to_thread(fibers.in_fiber)
        return fibers.in_fiber(), await fibers.run(fibers.in_fiber), in_thread

    assert asyncio.run(ask()) == (False, True, False)


@pytest.mark.parametrize("rings_from", ["loop", "thread"])
def test_a_bell_wakes_a_fiber(rings_from: str) -> None:
    async def serve() -> str:
        bells: list[Any] = []

        def work() -> str:
            bells.append(new_bell())
            bells[0].sleep(30)
            return "awake"

        sleeper = asyncio.ensure_future(fibers.run(work))
        await asyncio.sleep(0)
        await (asyncio.to_thread(bells[0].ring) if rings_from == "thread" else fibers.run(bells[0].ring))
        return await asyncio.wait_for(sleeper, 20)

    assert asyncio.run(serve()) == "awake"


@pytest.mark.parametrize("in_fiber", [True, False])
def test_a_bell_that_rang_before_ends_the_next_sleep_at_once_and_no_other(in_fiber: bool) -> None:
    async def seconds(work: Any) -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await (fibers.run(work) if in_fiber else asyncio.to_thread(work))
        return loop.time() - started

    def once() -> None:
        bell = new_bell()
        bell.ring()
        bell.ring()
        bell.sleep(30)

    def twice() -> None:
        bell = new_bell()
        bell.ring()
        bell.sleep(30)
        bell.sleep(0.2)

    assert asyncio.run(seconds(once)) < 20
    assert 0.15 < asyncio.run(seconds(twice)) < 20
