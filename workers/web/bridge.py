"""The bridge: an ordinary, synchronous Django application, served on an event loop (ASGI).

Requests of the paths in `on_loop` run in a fiber on the loop: cheap to wait in, and they must not block. All
others run in threads, where code may block as it likes: admin pages, logins, whatever sleeps.

The whole body is read before the application is called. A body that is cut short or never comes so changes
nothing, and a slow client keeps a buffer busy, not a view.
"""

import asyncio
import gc
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from workers.conf import settings
from workers.event_loop import fibers
from workers.submission import client
from workers.web import connection_pool
from workers.web.environ import Environ, Scope, environ_of, give_body
from workers.web.limits import REQUEST
from workers.web.refusals import problem

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Emit = Callable[[Message], None]
"""Sends a message of the response and waits until there is room for more."""

THREADS = 40
"""Requests beside the loop that are served at once; more wait for their turn."""

JOINED_BYTES = 4_194_304

SETTLED_SECONDS = (0.0, 10.0)
"""When, after the first request, a process has what it keeps for its life."""

_WITHOUT_BODY = frozenset({204, 304})


class Bridge:
    """An ASGI application around a WSGI one."""

    def __init__(self, application: Callable[..., Iterable[bytes]], *, on_loop: Iterable[str]) -> None:
        """`on_loop` are the beginnings of the paths whose requests run on the loop."""
        self._application = application
        self._on_loop = tuple(on_loop)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._has_begun:
            self._begin()
        environ = environ_of(scope)
        try:
            body = await _read_body(environ, receive, scope.get(REQUEST))
        except ConnectionAbortedError:
            return  # nobody is there to respond to
        try:
            if body is None:
                last = _refused(413, f"The body is larger than {settings.WRITE_MAX_BODY_BYTES} bytes.")
            else:
                give_body(environ, body)
                last = await self._responded(environ, send)
        except Exception:  # of the application itself: Django responds to what its views raise
            logger.exception("request path=%r state=broken", environ["PATH_INFO"])
            last = _refused(500, "The server failed to handle the request.")
        for message in last:
            await send(message)

    async def _responded(self, environ: Environ, send: Send) -> list[Message]:
        """Have the application respond, in a fiber or in a thread; return the last messages."""
        if environ["PATH_INFO"].startswith(self._on_loop):
            in_fiber: Emit = lambda message: fibers.wait_for(send(message))  # noqa: E731
            return await fibers.run(self._respond_in_fiber, environ, in_fiber)
        loop = asyncio.get_running_loop()

        def in_thread(message: Message) -> None:
            asyncio.run_coroutine_threadsafe(_sent(send, message), loop).result()

        return await loop.run_in_executor(self._threads, self._respond_in_thread, environ, in_thread)

    def _begin(self) -> None:
        """Let what this process shares live on this loop."""
        self._has_begun = True
        loop = asyncio.get_running_loop()
        for seconds in SETTLED_SECONDS:
            loop.call_later(seconds, _leave_what_is_there_alone)
        # Django forbids its database connections where a loop runs, because a coroutine that awaits in the
        # middle of a query would share its connection. Each fiber has connections of its own.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        connection_pool.install(has_fibers=bool(self._on_loop))
        client.live_on(loop)

    def _respond_in_fiber(self, environ: Environ, emit: Emit) -> list[Message]:
        try:
            return self._respond(environ, emit)
        finally:
            connection_pool.give_back()

    def _respond_in_thread(self, environ: Environ, emit: Emit) -> list[Message]:
        with connection_pool.in_thread():
            return self._respond(environ, emit)

    def _respond(self, environ: Environ, emit: Emit) -> list[Message]:
        """Call the application and send its response, but for the last messages, which are returned."""
        start: list[Message] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            start[:] = [_start_of(status, headers)]

        response = self._application(environ, start_response)
        try:
            is_file = bool(start) and not fibers.in_fiber() and _is_sized(start[0])
            chunks = _joined(response) if is_file else iter(response)
            chunk = next(chunks, b"")
            for following in chunks:
                for message in start:
                    emit(message)
                start.clear()
                emit({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = following
        finally:
            if (close := getattr(response, "close", None)) is not None:
                close()
        for message in start:  # none of it is sent yet, so all of it is here
            _tell_length(message, len(chunk))
        return [*start, {"type": "http.response.body", "body": chunk}]


def _leave_what_is_there_alone() -> None:
    """Let the garbage collector pass over modules and the like: a full round would stop all requests.

    At 64 connections the slowest responses take 70 instead of 105 ms without that.
    """
    gc.collect()
    gc.freeze()


def _is_sized(start: Message) -> bool:
    return any(name == b"content-length" for name, _ in start["headers"])


def _joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a file in large ones, so that a slow client keeps a buffer busy and no thread."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) >= JOINED_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def _refused(status: int, detail: str) -> list[Message]:
    content_type, body = problem(status, detail)
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


async def _sent(send: Send, message: Message) -> None:
    await send(message)


async def _read_body(environ: Environ, receive: Receive, request: Any) -> bytes | None:
    """Return the body, or None for one that is too large.

    Raises ConnectionAbortedError when the client goes away in the middle of it.
    """
    limit = settings.WRITE_MAX_BODY_BYTES
    length = environ.get("CONTENT_LENGTH", "")
    if "HTTP_TRANSFER_ENCODING" not in environ:
        if not length.strip("0"):
            return b""
        if not length.isdigit():
            return b""
        if len(length) > 18 or int(length) > limit:
            return None  # by what it says of itself, and not asked for (100 Continue)
    body = bytearray()
    while len(body) <= limit:
        message = await receive()
        if message["type"] != "http.request":
            if request is None or request.more_body:
                raise ConnectionAbortedError
            # Its client went away, and all of it came before: it counts.
            return bytes(body + request.body)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body) if len(body) <= limit else None
    return None


def _start_of(status: str, headers: list[tuple[str, str]]) -> Message:
    code = int(status[:3])
    fields = [(_field_name(name), value.encode("latin-1")) for name, value in headers]
    if code in _WITHOUT_BODY:  # RFC 9110, 8.6: no Content-Length in 204, none that lies in 304
        fields = [field for field in fields if field[0] != b"content-length"]
    return {"type": "http.response.start", "status": code, "headers": fields}


def _tell_length(start: Message, length: int) -> None:
    if start["status"] not in _WITHOUT_BODY and not _is_sized(start):
        start["headers"].append((b"content-length", b"%d" % length))


@lru_cache(maxsize=1_000)
def _field_name(name: str) -> bytes:
    return name.lower().encode("latin-1")
