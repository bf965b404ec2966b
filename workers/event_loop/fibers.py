"""Fibers: synchronous code on an event loop, which goes on with others whenever the code waits.

A fiber is a greenlet. It runs until it waits for an awaitable; then the coroutine that began it awaits that
in its stead, and switches back with the result. Nothing is patched: what blocks otherwise stops the loop, and
belongs in a lane (lanes.py).

Each has context variables of its own: https://greenlet.readthedocs.io/en/latest/contextvars.html.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Fiber(greenlet):
    """A call that may wait for awaitables."""


def in_fiber() -> bool:
    """Return whether the caller runs in a fiber: a call that blocks would stop an event loop."""
    return type(getcurrent()) is Fiber


def wait_for(awaitable: Awaitable[T]) -> T:
    """Let the loop await this, and return its result or raise its error. To be called in a fiber."""
    hub: Any = getcurrent().parent
    result: T = hub.switch(awaitable)
    return result


async def run(function: Callable[..., T], *arguments: Any) -> T:
    """Call a synchronous function in a fiber of its own, and return what it returns."""
    fiber = Fiber(function)
    fiber.gr_context = contextvars.copy_context()
    waits_for = fiber.switch(*arguments)
    while not fiber.dead:
        try:
            result = await waits_for
        except BaseException as exc:  # a cancellation too is the fiber's to clean up after
            waits_for = fiber.throw(exc)
        else:
            waits_for = fiber.switch(result)
    value: T = waits_for  # the last switch back is the function's return
    return value


def sleep_until_done(future: asyncio.Future[Any], seconds: float) -> bool:
    """Wait in a fiber until the future is done, for so long at most; return whether it is."""
    loop = future.get_loop()
    is_over = loop.create_future()

    def end(_: object = None) -> None:
        if not is_over.done():
            is_over.set_result(None)

    timer = loop.call_later(max(0.0, seconds), end)
    future.add_done_callback(end)
    try:
        wait_for(is_over)
    finally:
        timer.cancel()
        future.remove_done_callback(end)
    return future.done()
