"""What a connection may take of the server: bytes and time.

uvicorn parses and responds; this adds what it does not limit. A connection is in one of the states of
`State`, each with a deadline, looked at once a second. Whoever sends slowly is cut off, however many do it;
past WEB_CONNECTIONS the one that has kept the server waiting longest gives way.
"""

import asyncio
import fcntl
import sys
import termios
from contextlib import suppress
from enum import Enum
from typing import Any

from workers.conf import settings
from workers.web.refusals import refusal

HEAD_BYTES = 65_536
"""Longest head of a request: request line and header fields."""

HEAD_SECONDS = 10.0
"""Longest time from the connection, or from a request's first byte, to the end of its head."""

BODY_SECONDS = 10.0
"""Longest time for a body, to which each BODY_BYTES_PER_SECOND that arrive add a second."""

BODY_BYTES_PER_SECOND = 8_192

BYTES_PER_BODY_BYTE = 8
"""Most bytes on the wire for each byte that a body may have: in chunks of one byte it is six."""

UNREAD_SECONDS = 5.0
"""How long the rest of a body is taken and dropped after its response, so that the client reads that."""

SEND_SECONDS = 20.0
"""How long a client may take nothing of a response."""

LEAVE_SECONDS = 0.5
"""How long a connection stays open for a request that is on its way when the server is told to stop."""

LOOK_SECONDS = 1.0


REQUEST = "workers.request"
"""Under which a scope tells what came of the request's body, with `body` and `more_body`."""


class State(Enum):
    """What a connection is waiting for."""

    HEAD = "head"
    BODY = "body"
    RESPONSE = "response"
    UNREAD_BODY = "unread body"
    IDLE = "idle"
    """The next request; uvicorn's keep-alive timer ends it."""


class JoinedWrites:
    """A transport that sends all that is written in one turn of the loop at once, as head and body are."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._unsent: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        closing: bool = self._transport.is_closing()
        return closing

    def _send(self) -> None:
        if self._unsent and not self._transport.is_closing():
            self._transport.write(b"".join(self._unsent) if len(self._unsent) > 1 else self._unsent[0])
        self._unsent.clear()


class Limits(asyncio.Protocol):
    """Stands before one of uvicorn's HTTP protocols in the bases of a class."""

    most_connections = 1_000

    # uvicorn's, of the class behind this one.
    cycle: Any
    pipeline: Any = ()  # h11's has none: it reads no further while a request is under way
    transport: Any
    connections: Any
    flow: Any
    server_state: Any
    loop: asyncio.AbstractEventLoop

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state = State.HEAD
        self._since = self.loop.time()
        self._head_bytes = 0
        self._body_bytes = 0
        self._stuck_since: float | None = None
        self._unsent = 0
        self._refusal: bytes | None = None
        self._is_leaving = False
        self.has_begun = False
        """Whether some of a head has come, and not all of it; told by the parser, where it tells."""
        self.received = b""
        """What is parsed at this moment."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport = JoinedWrites(transport, self.loop)
        _watch(self)
        if len(self.connections) > self.most_connections:
            waiting = [
                one for one in self.connections if one is not self and one._state is not State.RESPONSE
            ]
            if waiting:
                min(waiting, key=lambda one: one._since).transport.abort()
            else:
                self.refuse(503, "The server has as many connections as it can. Try again in a moment.")

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self.received = data
        super().data_received(data)
        self.received = b""
        if self.is_busy:
            # The head of a request behind the one under way may come early, but not without end.
            self._head_bytes = self._head_bytes + len(data) if self.has_begun else 0
            if self._is_leaving:
                self.cycle.keep_alive = False
            if self._head_bytes > 2 * HEAD_BYTES:
                self.refuse(431, f"The head of the request is longer than {HEAD_BYTES} bytes.")
            elif self.cycle.more_body:
                self._enter(State.BODY)
                self._body_bytes += len(data)
                if self._body_bytes > HEAD_BYTES + BYTES_PER_BODY_BYTE * settings.WRITE_MAX_BODY_BYTES:
                    self.refuse(413, "What frames the body is longer than any body may be.")
            else:
                self._state = State.RESPONSE
        elif self._state is not State.UNREAD_BODY:
            self._enter(State.HEAD)
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.refuse(431, f"The head of the request is longer than {HEAD_BYTES} bytes.")

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way whose head is complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _enter(self, state: State) -> None:
        if self._state is not state:
            self._state, self._since, self._body_bytes = state, self.loop.time(), 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Serve what came whole before the client went away: uvicorn begins nothing after that."""
        early = list(self.pipeline)
        super().connection_lost(exc)
        if early:
            self.pipeline.clear()
        for cycle, application in reversed(early):
            if not cycle.more_body:
                self._start_asgi_task(cycle, application)  # type: ignore[attr-defined]  # uvicorn's

    def eof_received(self) -> bool:
        """Respond to what came whole from a client that has closed its half; refuse what was cut short."""
        if self._state in (State.HEAD, State.BODY) and (self._head_bytes or self._state is State.BODY):
            self.refuse(400, "The request ended before it was complete. Nothing was done.")
            return not self.transport.is_closing()  # open, while one that came before it is under way
        if not self.is_busy:
            self.transport.close()  # with what is still to be sent
            return False
        self.cycle.keep_alive = False
        return True

    def on_response_complete(self) -> None:
        was_last = not self.pipeline
        super().on_response_complete()  # type: ignore[misc]  # uvicorn's
        if was_last and self._refusal is not None:
            self._send_refusal()
        elif self.is_busy:  # with the next one, which came early
            self._enter(State.BODY if self.cycle.more_body else State.RESPONSE)
        elif self.cycle.more_body:
            self._enter(State.UNREAD_BODY)
        elif self.has_begun:
            self._enter(State.HEAD)
            self._head_bytes = 1  # how many came is not known, but some did
        else:
            self._enter(State.IDLE)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck_since = None

    def shutdown(self) -> None:
        """End the connection because the server ends: a request that is on its way by now is still served."""
        self._is_leaving = True
        if self.is_busy:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LEAVE_SECONDS, self._leave)

    def _leave(self) -> None:
        if not self.is_busy and not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed. Called by uvicorn while it handles the parser's error."""
        self.refuse(*self._judge(sys.exc_info()[1]))

    def _judge(self, error: BaseException | None) -> tuple[int, str]:
        return 400, "The request is not valid HTTP."

    def refuse(self, status: int, detail: str) -> None:
        """Respond with an error and close, after the responses to requests that came before."""
        if self._refusal is not None:
            return
        self._refusal = refusal(status, detail)
        cycle = self.cycle
        if self.is_busy and cycle.more_body:  # the one whose body is wrong: its view was never called
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            else:
                self._send_refusal()
        elif not self.is_busy:
            self._send_refusal()

    def _send_refusal(self) -> None:
        if self._refusal is not None and not self.transport.is_closing():
            self.transport.write(self._refusal)
            self.transport.close()

    def _unsent_bytes(self) -> int:
        """Return how much the client has not taken yet: of this process, and of the system's megabytes."""
        unsent: int = self.transport.get_write_buffer_size()
        with suppress(OSError):  # not a socket that can tell
            told = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            unsent += int.from_bytes(told, sys.byteorder)
        return unsent

    def look(self, now: float) -> None:
        """End the connection when its time is over."""
        seconds = now - self._since
        if self._stuck_since is not None:
            unsent, self._unsent = self._unsent, self._unsent_bytes()
            if self._unsent < unsent:
                self._stuck_since = now  # slow, but it takes something
        if self._stuck_since is not None and now - self._stuck_since > SEND_SECONDS:
            self.transport.abort()
        elif self.transport.is_closing():
            # What is left to be sent may never be taken.
            self._stuck_since = self._stuck_since or now
        elif self.flow.read_paused:
            self._since = now  # it is this side that does not read
        elif self._state is State.HEAD and seconds > HEAD_SECONDS:
            if self._head_bytes:
                self.refuse(408, f"The head of the request did not come within {HEAD_SECONDS:g} s.")
            else:
                self.transport.close()
        elif self._state is State.BODY:
            if seconds > BODY_SECONDS + self._body_bytes / BODY_BYTES_PER_SECOND:
                self.refuse(408, "The body of the request came too slowly. Nothing was done.")
        elif self._state is State.UNREAD_BODY and seconds > UNREAD_SECONDS:
            self.transport.abort()


def _watch(one: Limits) -> None:
    """Look at all connections of the server now and then, from its first one on."""
    server, connections, loop = vars(one.server_state), one.connections, one.loop
    if "is_watched" in server:
        return
    server["is_watched"] = True

    def look() -> None:
        now = loop.time()
        for connection in list(connections):
            connection.look(now)
        loop.call_later(LOOK_SECONDS, look)

    loop.call_later(LOOK_SECONDS, look)
