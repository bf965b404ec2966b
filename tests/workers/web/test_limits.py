"""What a connection may take: every state has its deadline, every part of a request its size."""

import asyncio
import json
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from tests.waiting import until
from tests.workers.web.serving import application, exchange, received, serving
from workers.web import limits, protocol
from workers.web.server import SharingServer

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

calls: list[bytes] = []


@pytest.fixture(autouse=True)
def _watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    monkeypatch.setattr(limits, "LOOK_SECONDS", 0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short deadlines, for tests that await their end."""
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "UNREAD_SECONDS", "SEND_SECONDS"):
        monkeypatch.setattr(limits, name, 1.0)


def respond(scope: dict[str, Any], body: bytes) -> bytes:
    calls.append(body)
    return b"r" * 20_000_000 if scope["path"] == "/large" else b"ok"


@pytest.fixture
def port() -> Iterator[int]:
    with serving(application(respond)) as port:
        yield port


def problem(response: bytes) -> tuple[int, str]:
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    found = json.loads(body)
    assert int(head.split()[1]) == found["status"]
    assert f"Content-Length: {len(body)}\r\n".encode() in head
    return found["status"], found["code"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "bad_request"),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "not_implemented"),
        (b"GET /" + b"a" * protocol.LINE_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
        (HEAD + b"A: b\r\n" * protocol.FIELDS + b"\r\n", 431, "header_too_large"),
        (HEAD + b"A: " + b"b" * protocol.FIELD_BYTES + b"\r\n\r\n", 431, "header_too_large"),
        (HEAD + b"A: b\r\n" * (limits.HEAD_BYTES // 5), 431, "header_too_large"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_request_is_refused_in_the_shape_of_every_error(
    port: int, request_: bytes, status: int, code: str
) -> None:
    assert problem(exchange(port, request_)) == (status, code)
    assert calls == []


@pytest.mark.parametrize(
    "sent",
    [
        HEAD[:10],
        HEAD,
        HEAD + b"Content-Length: 20\r\n\r\n",
        HEAD + b"Content-Length: 20\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        GET + HEAD,
    ],
)
def test_a_request_that_is_announced_and_never_comes_is_ended(
    impatient: None, port: int, sent: bytes
) -> None:
    *responses, last = exchange(port, sent).split(b"HTTP/1.1 ")[1:]

    assert problem(b"HTTP/1.1 " + last) == (408, "request_timeout")
    assert len(responses) == len(calls) == sent.count(GET)


def test_a_connection_on_which_nothing_comes_is_ended(impatient: None, port: int) -> None:
    assert exchange(port, b"") == b""


def test_a_body_that_keeps_coming_fast_enough_has_the_time_that_it_needs(
    impatient: None, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES_PER_SECOND", 1)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(HEAD + b"Connection: close\r\nContent-Length: 8\r\n\r\nab")
        for _ in range(3):
            # All of them together are longer than the limit.
            assert select.select([client], [], [], 0.5)[0] == []
            client.sendall(b"ab")
        assert received(client).endswith(b"ok")


@pytest.mark.parametrize(
    "body", [b"Content-Length: 200\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"]
)
def test_a_body_that_is_cut_short_is_refused_and_no_view_sees_it(port: int, body: bytes) -> None:
    assert problem(exchange(port, HEAD + body, half_close=True)) == (400, "bad_request")
    assert calls == []


def test_a_client_that_has_closed_its_half_gets_its_responses(port: int) -> None:
    response = exchange(port, GET + GET, half_close=True)

    assert response.count(b"\r\n\r\nok") == 2


def test_a_wrong_request_behind_others_is_refused_after_their_responses(port: int) -> None:
    first, last = exchange(port, GET + b"nonsense\r\n\r\n").split(b"HTTP/1.1 ")[1:]

    assert first.endswith(b"ok")
    assert problem(b"HTTP/1.1 " + last) == (400, "bad_request")


def test_a_client_that_takes_nothing_of_its_response_is_ended(impatient: None, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: calls, what="the request to be served")
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            until(lambda: client.send(b"\r\n") == 0, what="the connection to be ended")


def test_a_client_that_takes_its_response_slowly_gets_all_of_it(impatient: None, port: int) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        until(lambda: calls, what="the request to be served")
        taken = 0
        for _ in range(8):  # longer than the limit, all in all
            assert select.select([], [], [], 0.25) == ([], [], [])
            taken += len(client.recv(1_000_000))
        taken += len(received(client))

    assert taken > 20_000_000


def test_past_the_connections_the_one_that_waits_longest_gives_way() -> None:
    with serving(application(respond), most_connections=3) as port:
        slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
        for client in slow:
            client.sendall(HEAD)

        assert exchange(port, LAST).endswith(b"ok")

        first, *others = slow
        assert received(first) == b""
        for client in others:
            client.sendall(b"Connection: close\r\nContent-Length: 0\r\n\r\n")
            assert received(client).endswith(b"ok")
        for client in slow:
            client.close()


def test_a_request_that_is_on_its_way_when_the_server_stops_is_served() -> None:
    with serving(application(respond)) as port:
        early = socket.create_connection(("127.0.0.1", port), timeout=20)
        early.sendall(GET)
        response = b""
        while not response.endswith(b"ok"):
            response += early.recv(1_000)
    # Not reached before the server has ended, which waits for its connections.
    assert received(early) == b""
    early.close()


def test_connections_of_a_crowd_are_taken_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that other processes at the same socket get their share."""
    taken: list[int] = []
    accept = SharingServer._accept

    def counted(server: SharingServer, listener: socket.socket) -> None:
        before = len(server._accepting)
        accept(server, listener)
        taken.append(len(server._accepting) - before)

    monkeypatch.setattr(SharingServer, "_accept", counted)
    with serving(application(respond)) as port:
        crowd = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(20)]
        until(lambda: sum(taken) == len(crowd), what="all to be taken")
        for client in crowd:
            client.sendall(LAST)
        assert all(received(client).endswith(b"ok") for client in crowd)
        for client in crowd:
            client.close()

    assert max(taken) == 1


CHUNKED = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"


def test_a_trailer_does_not_pass_for_a_field_of_the_head() -> None:
    fields: list[bytes] = []

    def note(scope: dict[str, Any], body: bytes) -> bytes:
        fields.extend(name for name, _ in scope["headers"])
        return body

    with serving(application(note)) as port:
        assert exchange(port, CHUNKED + b"X-Forwarded-For: 192.0.2.1\r\n\r\n").endswith(b"x")

    assert b"transfer-encoding" in fields
    assert b"x-forwarded-for" not in fields


def test_trailers_without_end_are_refused(port: int) -> None:
    with override_settings(WRITE_MAX_BODY_BYTES=1_024):
        response = exchange(port, CHUNKED + b"A: b\r\n" * 20_000)

    assert problem(response) == (413, "body_too_large")
    assert calls == []


def test_a_head_without_end_behind_a_request_under_way_is_refused_after_its_response() -> None:
    go_on = asyncio.Event()

    async def wait(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    loops: list[asyncio.AbstractEventLoop] = []

    async def noted(scope: dict[str, Any], receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await wait(scope, receive, send)

    with serving(noted) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(GET + HEAD)
        until(lambda: loops, what="the request to be under way")
        client.sendall(b"A: b\r\n" * 40_000)
        loops[0].call_soon_threadsafe(go_on.set)
        first, last = received(client).split(b"HTTP/1.1 ")[1:]

    assert first.endswith(b"ok")
    assert problem(b"HTTP/1.1 " + last) == (431, "header_too_large")


@pytest.mark.parametrize("rest", [b"", b"not json"])
def test_a_body_cut_short_behind_a_request_is_refused_after_its_response(port: int, rest: bytes) -> None:
    cut_short = HEAD + b"Content-Length: 200\r\n\r\n" + rest

    first, last = exchange(port, GET + cut_short, half_close=True).split(b"HTTP/1.1 ")[1:]

    assert first.endswith(b"ok")
    assert problem(b"HTTP/1.1 " + last) == (400, "bad_request")
    assert calls == [b""]


def test_what_came_whole_before_its_client_was_gone_is_served() -> None:
    served: list[str] = []
    go_on = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        if scope["path"] == "/first":
            await receive()  # lets the server read on, and so notice that the client is gone
            await go_on.wait()
        served.append(scope["path"])

    with serving(serve) as port:
        client = socket.create_connection(("127.0.0.1", port), timeout=20)
        client.sendall(GET.replace(b"/ ", b"/first ", 1) + GET.replace(b"/ ", b"/second ", 1))
        until(lambda: loops, what="the first to be under way")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # with a reset
        until(lambda: "/second" in served, what="the second to be served")
        loops[0].call_soon_threadsafe(go_on.set)
        until(lambda: len(served) == 2, what="the first to be served")
