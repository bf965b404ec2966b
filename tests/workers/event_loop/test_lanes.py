"""Calls that block, in threads of their own."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from workers.event_loop import fibers
from workers.event_loop.lanes import Busy, Lane, beside_loop


def everywhere(call: Callable[[], Any]) -> list[Any]:
    """Return what the call returns in a thread, and in a fiber."""
    return [call(), asyncio.run(fibers.run(call))]


def test_a_call_is_made_in_another_thread_and_its_result_and_error_come_back() -> None:
    lane = Lane()

    def fail() -> None:
        raise LookupError("no")

    assert threading.get_ident() not in everywhere(lambda: lane.run(threading.get_ident, within_seconds=5))
    for in_fiber in (False, True):
        with pytest.raises(LookupError):
            asyncio.run(fibers.run(lambda: lane.run(fail, within_seconds=5))) if in_fiber else lane.run(
                fail, within_seconds=5
            )


def test_who_finds_no_thread_in_time_is_told_and_its_call_is_not_made() -> None:
    lane = Lane()
    go_on = threading.Event()
    made: list[str] = []
    first = threading.Thread(target=lambda: lane.run(go_on.wait, within_seconds=5))
    first.start()

    def late() -> None:
        with pytest.raises(Busy):
            lane.run(lambda: made.append("late"), within_seconds=0.05)

    everywhere(late)
    go_on.set()
    first.join(20)

    assert lane.run(lambda: "free again", within_seconds=20) == "free again"
    assert made == []


def test_past_those_that_may_wait_one_is_refused_at_once() -> None:
    lane = Lane(most_waiting=1)
    go_on = threading.Event()
    callers = [threading.Thread(target=lambda: lane.run(go_on.wait, within_seconds=20)) for _ in range(2)]
    for caller in callers:
        caller.start()
    while not lane.is_full():
        pass

    with pytest.raises(Busy):
        lane.run(lambda: None, within_seconds=20)
    go_on.set()
    for caller in callers:
        caller.join(20)
    assert not lane.is_full()


def test_the_loop_goes_on_while_a_fiber_waits_for_a_thread() -> None:
    async def serve() -> tuple[int, str]:
        go_on = threading.Event()
        waiting = asyncio.ensure_future(fibers.run(beside_loop, go_on.wait, 20))
        turns = 0
        while turns < 10:
            await asyncio.sleep(0)
            turns += 1
        go_on.set()
        return turns, "woken" if await waiting else "timed out"

    assert asyncio.run(serve()) == (10, "woken")
