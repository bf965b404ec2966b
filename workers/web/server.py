"""uvicorn's server, which leaves connections to the other web processes too.

All of them listen at one socket. A loop that takes whatever is there takes most of a crowd that comes at
once, and serves it slowly while another process idles: of 64 connections one of two processes got up to 58.
So it takes one at a time, and then pauses, the longer the more connections it has.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any

from uvicorn import Server

PAUSE_SECONDS_PER_CONNECTION = 0.001 / 16
LONGEST_PAUSE_SECONDS = 0.002
"""Between two connections of a crowd. Loops tell the time by milliseconds."""

REQUESTS_PER_CONNECTION = 8
"""Requests under way for each further connection that is taken at once."""

FIRST_REQUEST_SECONDS = 0.1
"""How long a connection that was accepted as the server began to stop may take to begin its one request."""


class SharingServer(Server):
    """Serves sockets that other processes accept from too."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._listeners = sockets or []
        self._is_closing = False
        self._accepting: set[asyncio.Task[object]] = set()
        for listener in self._listeners:
            listener.setblocking(False)
            self._listen(listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._is_closing = True
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
        await super().shutdown(sockets)

    def _listen(self, listener: socket.socket) -> None:
        if not self._is_closing:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop, state = asyncio.get_running_loop(), self.server_state
        loop.remove_reader(listener)
        pause = PAUSE_SECONDS_PER_CONNECTION * len(state.connections)
        loop.call_later(min(pause, LONGEST_PAUSE_SECONDS), self._listen, listener)
        # Another process may have been quicker; too many open files are told by the connections' limit.
        with suppress(OSError):
            # A turn of the loop is as long as the requests under way make it.
            for _ in range(1 + len(state.tasks) // REQUESTS_PER_CONNECTION):
                client, _ = listener.accept()
                if client.family != socket.AF_UNIX:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setblocking(False)
                task = loop.create_task(self._connect(client))
                self._accepting.add(task)
                task.add_done_callback(self._accepting.discard)

    async def _connect(self, client: socket.socket) -> None:
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn itself does
                config=config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
            )

        with suppress(OSError):  # it has gone already
            made: Any
            _, made = await loop.connect_accepted_socket(protocol, client, ssl=config.ssl)
            if self._is_closing:
                # uvicorn has told those that were there by then: nobody would tell this one, and an idle
                # client would keep the whole server waiting.
                loop.call_later(FIRST_REQUEST_SECONDS, made.shutdown)
