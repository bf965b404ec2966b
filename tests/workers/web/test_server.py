"""The server that shares its sockets with other processes, when it is told to stop."""

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from tests.workers.web.serving import application
from workers.web import limits, protocol
from workers.web.server import SharingServer


def respond(scope: dict[str, Any], body: bytes) -> bytes:
    return b"ok"


@pytest.mark.parametrize(
    "request_", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["idle", "with a request"]
)
def test_a_client_that_comes_as_it_begins_to_stop_does_not_keep_it(
    request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do the limits on idle connections end it here, for which others would wait."""
    monkeypatch.setattr(limits, "HEAD_SECONDS", 3600)

    async def stop_as_one_comes(listener: socket.socket) -> bytes:
        options = protocol.options(most_connections=10)
        config = uvicorn.Config(application(respond), log_config=None, timeout_keep_alive=3600, **options)
        server = SharingServer(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        with socket.create_connection(listener.getsockname(), timeout=20) as client:
            client.sendall(request_)
            server._accept(listener)
            await asyncio.wait_for(server.shutdown([listener]), 10)
            assert not server.server_state.connections
            return client.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = asyncio.run(stop_as_one_comes(listener))

    assert told.startswith(b"HTTP/1.1 200") if request_ else told == b""
