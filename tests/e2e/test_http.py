"""HTTP as clients may speak it, against the running service."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import Service
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("http")


@pytest.fixture(scope="module")
def service(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"WEB_PROCESSES": "1", "WRITE_MAX_BODY_BYTES": "2000"}
    with Service.running(prepared, tmp_path_factory.mktemp("service"), settings) as running:
        yield running


def head(service: Service, *fields: str, method: str = "POST", path: str = "/api/items/") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {service.token}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *fields, "\r\n"]).encode()


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=20)


def exchange(service: Service, *parts: bytes, half_close: bool = False) -> list[tuple[int, bytes]]:
    """Send these parts and return the statuses and bodies of the responses until the connection ends."""
    with connect(service) as client:
        for part in parts:
            client.sendall(part)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    responses = received.split(b"HTTP/1.1 ")[1:]
    return [(int(one[:3]), one.partition(b"\r\n\r\n")[2]) for one in responses]


def test_a_body_in_chunks_is_taken(service: Service) -> None:
    chunks = b'8\r\n{"name":\r\n', b'9;x=y\r\n "chunks"\r\n1\r\n}\r\n0\r\n\r\n'

    [(status, body)] = exchange(
        service, head(service, "Connection: close", "Transfer-Encoding: chunked"), *chunks
    )

    assert (status, json.loads(body)["name"]) == (201, "chunks")


def test_a_body_in_chunks_has_the_same_limit(service: Service) -> None:
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"

    [(status, body)] = exchange(
        service, head(service, "Connection: close", "Transfer-Encoding: chunked"), chunk * 3 + b"0\r\n\r\n"
    )

    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


def test_a_body_that_is_cut_short_writes_nothing(service: Service) -> None:
    name = '{"name": "cut short"}'

    [(status, body)] = exchange(service, head(service, "Content-Length: 200"), name.encode(), half_close=True)

    assert (status, json.loads(body)["code"]) == (400, "bad_request")
    assert service.create("after").status == 201
    assert "cut short" not in service.names()


def test_a_client_that_has_closed_its_half_gets_its_response(service: Service) -> None:
    for length, expected in ((15, 400), (16, 201)):  # without its last character it is no JSON
        body = b'{"name": "half"}'[:length]
        request = head(service, f"Content-Length: {length}")

        assert [status for status, _ in exchange(service, request, body, half_close=True)] == [expected]


def test_a_client_that_goes_away_does_not_lose_its_write(service: Service) -> None:
    names = [f"went away {number}" for number in range(10)]
    for name in names:
        body = json.dumps({"name": name}).encode()
        with connect(service) as client:
            client.sendall(head(service, f"Content-Length: {len(body)}") + body)

    until(lambda: set(names) <= set(service.names()), what="all its writes")
    assert [service.names().count(name) for name in names] == [1] * 10


def test_a_client_is_told_to_go_on_only_with_a_body_that_will_be_taken(service: Service) -> None:
    with connect(service) as client:
        client.sendall(head(service, "Content-Length: 18", "Expect: 100-continue"))
        assert client.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b'{"name": "go on!"}')
        assert client.recv(10_000).startswith(b"HTTP/1.1 201")
    with connect(service) as client:
        client.sendall(head(service, "Content-Length: 5000", "Expect: 100-continue"))
        assert client.recv(10_000).startswith(b"HTTP/1.1 413")


def test_pipelined_requests_are_responded_to_in_their_order(service: Service) -> None:
    names = [f"p{number:02}" for number in range(20)]
    bodies = [json.dumps({"name": name}).encode() for name in names]
    requests = [head(service, f"Content-Length: {len(body)}") + body for body in bodies]
    last = head(service, "Connection: close", method="GET", path="/health/live")

    *responses, (status, _) = exchange(service, b"".join(requests) + last)

    assert [json.loads(body)["name"] for _, body in responses] == names
    assert status == 200
    assert [name for name in service.names() if name in names] == names


def test_many_pipelined_requests_of_one_client_leave_turns_to_others(service: Service) -> None:
    with connect(service) as greedy:
        greedy.sendall(head(service, method="GET") * 300)

        assert service.get("/health/live").status == 200

        greedy.settimeout(0.001)
        received = b""
        try:
            while part := greedy.recv(1_000_000):
                received += part
        except TimeoutError:
            pass
        assert received.count(b"HTTP/1.1 200") < 300


def test_an_old_client_is_served_and_its_connection_ends(service: Service) -> None:
    with connect(service) as client:
        client.sendall(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(65_536), b""))

    assert received.startswith(b"HTTP/1.1 200")


def test_head_has_the_fields_of_get_and_no_body(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    authorization = {"Authorization": f"Bearer {service.token}"}
    lengths = []
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/api/items/", headers=authorization)
        response = connection.getresponse()
        lengths.append((response.headers["Content-Length"], bool(response.read())))
    connection.close()

    assert lengths == [(lengths[0][0], True), (lengths[0][0], False), (lengths[0][0], True)]


@pytest.mark.parametrize("path", ["/api/items/", "/admin/"])
def test_an_error_of_the_server_itself_has_the_shape_of_every_error(service: Service, path: str) -> None:
    request = f"GET {path}?{'q' * 5_000} HTTP/1.1\r\nHost: localhost\r\n\r\n"

    [(status, body)] = exchange(service, request.encode())

    assert (status, json.loads(body)["status"], json.loads(body)["code"]) == (414, 414, "uri_too_long")


def test_slow_clients_without_a_token_keep_nobody_out(prepared: Path, tmp_path: Path) -> None:
    """With as many of them as there may be connections, twice over."""
    slow = []
    with Service.running(prepared, tmp_path, {"WEB_PROCESSES": "1", "WEB_CONNECTIONS": "20"}) as service:
        for _ in range(40):
            client = connect(service)
            client.sendall(
                b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            )
            slow.append(client)

        assert [service.create(f"item {number}").status for number in range(5)] == [201] * 5
    for client in slow:
        client.close()


def test_without_uvloop_and_httptools_it_serves_all_the_same_and_says_so_once(
    prepared: Path, tmp_path: Path
) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    for name in ("uvloop", "httptools"):
        (absent / f"{name}.py").write_text(f"raise ImportError('no {name}')")
    with Service.running(prepared, tmp_path / "service", {"PYTHONPATH": str(absent)}) as service:
        assert [service.create(f"item {number}").status for number in range(5)] == [201] * 5
        with connect(service) as client:
            client.sendall(head(service, "Content-Length: 18", "Expect: 100-continue"))
            assert client.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b'{"name": "go on!"}')
            assert client.recv(10_000).startswith(b"HTTP/1.1 201")
        [(status, body)] = exchange(service, b"nonsense\r\n\r\n")
        assert (status, json.loads(body)["code"]) == (400, "bad_request")
        [(status, body)] = exchange(service, head(service, "Content-Length: 200"), b"{}", half_close=True)
        assert (status, json.loads(body)["code"]) == (400, "bad_request")
        assert service.log("web").count("state=slow missing='uvloop httptools'") == 1
