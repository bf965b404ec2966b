"""A kept-alive connection that times single requests."""

import http.client
import socket
import time
from collections.abc import Mapping

from benchmarks.load import Request, name_prefix

RESPONSE_SECONDS = 30


class Client:
    """One connection to one contestant."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RESPONSE_SECONDS)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = dict(headers)
        self._sent = 0

    def timed_create(self, request: Request, run: str) -> float:
        """Create an item and return the seconds it took. Raises AssertionError for another answer."""
        self._sent += 1
        body = request.body([f"{name_prefix(run)}{self._sent}"])
        seconds, status, answer = self._timed("POST", request.path, body)
        assert status == request.expected_status, (status, answer)
        return seconds

    def timed_get(self, path: str) -> tuple[float, bytes]:
        """Read a path; return the seconds it took, and the body. Raises AssertionError for an error."""
        seconds, status, body = self._timed("GET", path, None)
        assert status == 200, (status, body)
        return seconds, body

    def close(self) -> None:
        self._connection.close()

    def _timed(self, method: str, path: str, body: bytes | None) -> tuple[float, int, bytes]:
        started = time.perf_counter()
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        return time.perf_counter() - started, response.status, content
