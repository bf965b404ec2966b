"""A proxy before the web hosts, as small as the tests need it.

    python -m tests.hosts.proxy --listen ADDRESS:PORT --backend ADDRESS:PORT --backend ...

Each request goes to the next host that is ready; when none is, to the next one that responds at all. A host
that cannot be connected to is passed by, because nothing was sent yet; one that fails later is 502, and
nobody repeats the request but its client.
"""

import argparse
import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from itertools import count

LOOK_SECONDS, PATIENCE_SECONDS, CONNECT_SECONDS = 0.5, 1.0, 1.0
RESPONSE_SECONDS = 20.0


@dataclass
class Backend:
    """A web host, and how it was found last."""

    address: str
    port: int
    rank: int = 0
    """2 when it is ready, 1 when it responds, 0 when it does not."""
    waiting: set["asyncio.Task[bytes]"] = field(default_factory=set)

    async def look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = b"GET /health/ready HTTP/1.1\r\nHost: " + self.address.encode() + b"\r\n"
                reply = await self._exchange(head + b"Connection: close\r\n\r\n")
            self.rank = 2 if reply.split(b" ", 2)[1] == b"200" else 1
        except (OSError, TimeoutError, IndexError):
            self.rank = 0
            for task in self.waiting:
                task.cancel()  # else a request waits for a host that is gone until its client gives up

    async def exchange(self, request: bytes) -> bytes:
        """Return the response. Raises OSError; ConnectionRefusedError only when nothing was sent."""
        task = asyncio.ensure_future(self._exchange(request))
        self.waiting.add(task)
        try:
            return await asyncio.wait_for(asyncio.shield(task), RESPONSE_SECONDS)
        except (asyncio.CancelledError, TimeoutError):
            raise ConnectionResetError("the host is gone") from None
        finally:
            task.cancel()
            self.waiting.discard(task)

    async def _exchange(self, request: bytes) -> bytes:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(self.address, self.port)
        except (OSError, TimeoutError) as exc:
            raise ConnectionRefusedError(str(exc)) from exc
        try:
            writer.write(request)
            reply = await reader.read(-1)
        finally:
            writer.transport.abort()
        if not reply:
            raise ConnectionResetError("no response")
        return reply


class Proxy:
    """Sends each request on."""

    def __init__(self, backends: list[Backend]) -> None:
        self._backends = backends
        self._turn = count()

    async def watch(self, backend: Backend) -> None:
        while True:
            await backend.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                writer.write(_kept(await self._respond(_closing(head) + body)))
                await writer.drain()
        writer.transport.abort()

    async def _respond(self, request: bytes) -> bytes:
        start = next(self._turn)
        turned = [self._backends[(start + n) % len(self._backends)] for n in range(len(self._backends))]
        for backend in sorted(turned, key=lambda one: -one.rank):
            try:
                return await backend.exchange(request)
            except ConnectionRefusedError:
                continue
            except OSError as exc:
                return _error(502, "bad_gateway", str(exc))
        return _error(503, "no_web_host", "none can be connected to")


def _lines(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]


def _length(head: bytes) -> int:
    found = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return int(found[0].partition(b":")[2]) if found else 0


def _closing(head: bytes) -> bytes:
    return b"\r\n".join([*_lines(head), b"Connection: close", b"", b""])


def _kept(reply: bytes) -> bytes:
    head, _, body = reply.partition(b"\r\n\r\n")
    return b"\r\n".join([*_lines(head), b"", b""]) + body


def _error(status: int, code: str, detail: str) -> bytes:
    body = json.dumps({"code": code, "detail": detail}).encode()
    return f"HTTP/1.1 {status} {code}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--backend", action="append", required=True)
    options = parser.parse_args()
    places = [place.rpartition(":") for place in options.backend]
    proxy = Proxy([Backend(address, int(port)) for address, _, port in places])
    address, _, port = options.listen.rpartition(":")
    server = await asyncio.start_server(proxy.serve, address, int(port))
    async with server, asyncio.TaskGroup() as tasks:
        for backend in proxy._backends:
            tasks.create_task(proxy.watch(backend))


if __name__ == "__main__":
    asyncio.run(main())
