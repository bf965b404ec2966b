"""The service's HTTP server without its processes, in a thread of this one."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.waiting import until
from workers.web import protocol
from workers.web.server import SharingServer


@contextmanager
def serving(application: Any, *, most_connections: int = 100) -> Iterator[int]:
    """Serve an ASGI application while the block runs; give the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    options = protocol.options(most_connections=most_connections)
    server = SharingServer(
        uvicorn.Config(application, log_config=None, timeout_graceful_shutdown=5, **options)
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    until(lambda: server.started, what="the server to start")
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(20)


def exchange(port: int, request: bytes, *, half_close: bool = False) -> bytes:
    """Send these bytes and return all that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return received(client)


def received(client: socket.socket) -> bytes:
    """Return all that comes until the connection ends, however it ends."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def application(respond: Callable[[dict[str, Any], bytes], bytes]) -> Any:
    """Return an ASGI application that reads the whole body and responds with what the function returns."""

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        response = respond(scope, body)
        headers = [(b"content-length", str(len(response)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": response})

    return serve
