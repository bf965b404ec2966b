"""The web process under gunicorn: what its log says of refused requests, and what it takes from a proxy."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import Service
from workers.web.log_lines import MAX_LENGTH

pytestmark = pytest.mark.xdist_group("gunicorn")


@pytest.fixture(scope="module")
def service(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service behind a proxy that is trusted, with one web process: ready, it has logged its start."""
    settings = {"TRUST_X_FORWARDED_PROTO": "1", "HSTS_SECONDS": "60", "WEB_PROCESSES": "1"}
    with Service.running(prepared, tmp_path_factory.mktemp("service"), settings) as running:
        yield running


def raw(service: Service, request: bytes) -> bytes:
    """Send these bytes and return all that comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /api/items/ HTTP/1.1\r\nHost: evil.example\r\n", 400),
        (b"GET /api/items/ HTTP/1.1\r\nHost: " + b"e" * 4_000 + b"\r\n", 400),
        (b"GET /api/nothing/ HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /" + b"n" * 3_000 + b" HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\n" + FORM, 403),
        (b"nonsense\r\n", 400),
        (b"GET /" + b"n" * 5_000 + b" HTTP/1.1\r\nHost: localhost\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad " + b"h" * 5_000 + b": x\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n", 400),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_refused_request_leaves_one_short_line_at_most_in_the_log_of_gunicorn(
    service: Service, request_: bytes, status: int
) -> None:
    before = service.log("web")

    answer = raw(service, request_ + b"Connection: close\r\n\r\na=b")

    assert answer.split()[1] == str(status).encode()
    after = service.log("web").removeprefix(before)  # logged before it is answered
    assert "Traceback" not in after
    assert len(after.splitlines()) <= 1
    assert len(after) < MAX_LENGTH + 100  # its time, level and logger


@pytest.mark.parametrize(
    ("path", "error"), [("/api/broken/", "ZeroDivisionError"), ("/api/stray/", "WriteOutsideWriter")]
)
def test_an_error_of_the_server_keeps_its_traceback_in_the_log_of_gunicorn(
    service: Service, path: str, error: str
) -> None:
    before = service.log("web")

    assert service.request("POST" if "stray" in path else "GET", path).status == 500

    after = service.log("web").removeprefix(before)
    assert "Traceback" in after
    assert error in after


def test_a_proxy_that_is_trusted_says_the_scheme(service: Service) -> None:
    """tests/e2e/test_bad_input.py shows that without TRUST_X_FORWARDED_PROTO no header moves it."""
    secure = service.get("/health/live", headers={"X-Forwarded-Proto": "https"})
    plain = [service.get("/health/live", headers=headers) for headers in ({}, {"X-Forwarded-Proto": "http"})]

    assert secure.headers["Strict-Transport-Security"] == "max-age=60"
    assert ["Strict-Transport-Security" in answer.headers for answer in plain] == [False, False]


@pytest.mark.parametrize("name", ["X_Forwarded_Proto", "X-Forwarded-Ssl", "X-Forwarded-Protocol"])
def test_no_other_header_says_the_scheme(service: Service, name: str) -> None:
    answer = service.get("/health/live", headers={name: "https"})

    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    "path", ["//api/items/", "/api//items/", "/api/items//", "/session_a/", "//session_a"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_with_a_slash_too_many_is_not_found(service: Service, method: str, path: str) -> None:
    before = service.rows("SELECT count(*) FROM items_item")

    answer = service.request(method, path, {"name": "x"} if method == "POST" else None)

    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert service.rows("SELECT count(*) FROM items_item") == before
