"""Fibers: synchronous code on an event loop, which goes on with others whenever the code waits.

A fiber is a greenlet. It runs until it waits for an awaitable; then the coroutine that began it awaits that
in its stead, and switches back with the result. Nothing is patched: what blocks otherwise stops the loop, and
belongs in a lane (lanes.py).

Each has context variables of its own: https://greenlet.readthedocs.io/en/latest/contextvars.html.
"""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Fiber(greenlet):
    """Makes calls that may wait for awaitables, one after another."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.job: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.connections: dict[str, Any] = {}
        """Its own, of databases: see workers/web/connection_pool.py."""

    def _serve(self) -> None:
        hub: Any = self.parent
        while self.job is not None:
            function, arguments = self.job
            try:
                self.result = function(*arguments)
            except BaseException as exc:
                self.error = exc
            self.job = None
            del function, arguments
            hub.switch(_DONE)


class _Idle(threading.local):
    """Fibers of this thread that have done their call. A new one costs a write 4 % of its time: Python maps
    memory for its stack, and unmaps it."""

    def __init__(self) -> None:
        self.fibers: list[Fiber] = []


_idle = _Idle()
_DONE: Any = object()


def in_fiber() -> bool:
    """Return whether the caller runs in a fiber: a call that blocks would stop an event loop."""
    return type(getcurrent()) is Fiber


def wait_for(awaitable: Awaitable[T]) -> T:
    """Let the loop await this, and return its result or raise its error. To be called in a fiber."""
    hub: Any = getcurrent().parent
    result: T = hub.switch(awaitable)
    return result


async def run(function: Callable[..., T], *arguments: Any) -> T:
    """Call a synchronous function in a fiber, and return what it returns."""
    idle = _idle.fibers
    fiber = idle.pop() if idle else Fiber()
    fiber.job = (function, arguments)
    fiber.gr_context = contextvars.copy_context()
    waits_for = fiber.switch()
    while waits_for is not _DONE:
        try:
            result = await waits_for
        except BaseException as exc:  # a cancellation too is the fiber's to clean up after
            waits_for = fiber.throw(exc)
        else:
            waits_for = fiber.switch(result)
    value, error = fiber.result, fiber.error
    fiber.result = fiber.error = fiber.gr_context = None
    idle.append(fiber)
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]  # what the function returned


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
