"""One kept-alive HTTP/1.1 connection of the load test: small, because it shares the CPU with the service."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

from project.demo.server import RESPONSE_SECONDS, Server

_HEAD_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_WRITE_ID = re.compile(rb"\r\nwrite-id:[ \t]*(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)

CONNECT_SECONDS = 5.0


class NoResponse(Exception):
    """The request got no response; `was_sent` tells whether it may have taken effect all the same."""

    def __init__(self, kind: str, *, was_sent: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Response:
    """What the load test reads of a response."""

    head: bytes
    body: bytes
    status: int

    @property
    def write_id(self) -> int:
        """The Write-Id header, or 0."""
        return int(match[1]) if (match := _WRITE_ID.search(self.head)) else 0

    @property
    def retry_after(self) -> float:
        """The seconds of the Retry-After header, or one second."""
        return float(match[1]) if (match := _RETRY_AFTER.search(self.head)) else 1.0

    @property
    def closes(self) -> bool:
        return _CLOSES.search(self.head) is not None

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body, or an empty one."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def code(self) -> str:
        """Return the error's code, or a stand-in for responses that have none."""
        return str(self.json().get("code", "without a code"))


class Connection:
    """Sends one request at a time, and connects again when the connection is gone."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stream: _Stream | None = None
        token = f"Authorization: Bearer {server.token}\r\n" if server.token else ""
        self._head_end = (
            f" HTTP/1.1\r\nHost: {server.authority}\r\n{token}"
            "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: "
        )

    async def ask(self, method: str, path: str, body: bytes = b"", *, key: str = "") -> Response:
        """Send one request and return its response. Raises NoResponse."""
        key_header = f'\r\nIdempotency-Key: "{key}"' if key else ""
        head = f"{method} {path}{self._head_end}{len(body)}{key_header}\r\n\r\n"
        stream = self._stream or await self._connect()
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                response = await stream.exchange(head.encode() + body)
        except TimeoutError:
            self.close()
            raise NoResponse(f"no response in {RESPONSE_SECONDS} s", was_sent=True) from None
        except BaseException:
            self.close()
            raise
        if response.closes:
            self.close()
        return response

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _connect(self) -> "_Stream":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, self._stream = await loop.create_connection(_Stream, self._server.host, self._server.port)
        except OSError as exc:  # TimeoutError is one
            raise NoResponse("could not connect", was_sent=False) from exc
        return self._stream


class _Stream(asyncio.Protocol):
    """The bytes of one connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._response: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None

    def exchange(self, request: bytes) -> asyncio.Future[Response]:
        """Send a request; the future gets its response, or NoResponse."""
        self._response = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            # Closed by the other side since the last response: this request never left.
            self._response.set_exception(NoResponse("connection closed while idle", was_sent=False))
        else:
            self._transport.write(request)
        return self._response

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy: TCP gives no other kind
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            response = self._take_response()
        except ValueError:
            self._fail("response not understood")
            return
        if response is not None and self._response is not None and not self._response.done():
            self._response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail("connection cut")

    def _fail(self, kind: str) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(NoResponse(kind, was_sent=True))

    def _take_response(self) -> Response | None:
        """Return the response once all of it is here. Raises ValueError."""
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return None
        head = self._buffer[:end]
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or (length is None and status[1] != b"204"):
            raise ValueError("a response without a status or a length")
        whole = end + len(_HEAD_END) + (int(length[1]) if length else 0)
        if len(self._buffer) < whole:
            return None
        body = self._buffer[end + len(_HEAD_END) : whole]
        self._buffer = self._buffer[whole:]
        return Response(head, body, int(status[1]))
