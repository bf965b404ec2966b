"""A WSGI application on an event loop: where its code runs, what it is given, what comes of its response."""

import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from tests.waiting import until
from tests.workers.web.serving import exchange, serving
from workers.event_loop import fibers
from workers.event_loop.bells import Bell, new_bell
from workers.submission import client
from workers.web import connection_pool, shared_connections
from workers.web.bridge import Bridge

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have what a web process keeps be each test's own: connections, and the link to the stream."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # taken back after the test, whoever set it
    shared: dict[Any, Any] = {}
    free: defaultdict[str, list[Any]] = defaultdict(list)
    monkeypatch.setattr(connection_pool, "_shared", shared)
    monkeypatch.setattr(connection_pool, "_free", free)
    yield
    client.end_submitter()  # it lived on the server's loop, which is over
    to_servers = [one for pool in shared.values() if pool is not None for one in pool._free]
    for one in [*to_servers, *(one for kept in free.values() for one in kept)]:
        one.inc_thread_sharing()  # one of a fiber was made in the server's thread, which is over
        one.close()


def get(port: int, path: str, method: str = "GET") -> bytes:
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    return exchange(port, request.encode())


def body_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[2]


def saying(words: Callable[[dict[str, Any]], bytes]) -> Application:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [words(environ)]

    return application


def test_paths_of_the_loop_run_in_fibers_and_all_others_in_threads() -> None:
    places: dict[str, tuple[bool, int]] = {}

    def note(environ: dict[str, Any]) -> bytes:
        places[environ["PATH_INFO"]] = fibers.in_fiber(), threading.get_ident()
        return b"noted"

    with serving(Bridge(saying(note), on_loop=["/api/"])) as port:
        for path in ("/api/a", "/api/b", "/admin/"):
            assert body_of(get(port, path)) == b"noted"

    assert [in_fiber for in_fiber, _ in places.values()] == [True, True, False]
    assert places["/api/a"][1] == places["/api/b"][1] != places["/admin/"][1]


def test_what_the_environ_says_of_a_request() -> None:
    seen: dict[str, Any] = {}

    def note(environ: dict[str, Any]) -> bytes:
        seen.update(environ, body=environ["wsgi.input"].read())
        return b""

    request = (
        b"POST /a%20b/%C3%A9?q=%20x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX-Two: 1 \r\nX-Two: 2\r\nX_Two: evil\r\nX-Spaces:\t a b \t\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 3 \r\n\r\nabc"
    )
    with serving(Bridge(saying(note), on_loop=[])) as port:
        exchange(port, request)

    expected = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b/\u00c3\u00a9",  # bytes as latin-1, see PEP 3333
        "QUERY_STRING": "q=%20x",
        "HTTP_COOKIE": "a=1;b=2",
        "HTTP_X_TWO": "1,2",
        "HTTP_X_SPACES": "a b",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "body": b"abc",
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": "127.0.0.1",
    }
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize("path", ["/api/stream", "/stream"])
def test_a_response_in_pieces_is_sent_as_they_come_and_closed(path: str) -> None:
    closed: list[str] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"a" * 100_000, b"b" * 100_000, b"c")

        def close(self) -> None:
            closed.append(path)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "200001")])
        return Pieces()

    with serving(Bridge(application, on_loop=["/api/"])) as port:
        assert body_of(get(port, path)) == b"a" * 100_000 + b"b" * 100_000 + b"c"

    assert closed == [path]


def test_a_response_has_its_length_and_one_without_a_body_has_none() -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        nothing = environ["PATH_INFO"] == "/nothing"
        start_response(
            "204 No Content" if nothing else "200 OK", [("Content-Length", "0")] if nothing else []
        )
        return [b""] if nothing else [b"abc"]

    with serving(Bridge(application, on_loop=[])) as port:
        assert b"content-length: 3\r\n" in get(port, "/something")
        assert b"content-length" not in get(port, "/nothing")


@pytest.mark.parametrize("path", ["/api/", "/"])
def test_an_application_that_raises_is_an_error_in_the_shape_of_every_error(path: str) -> None:
    def broken(environ: dict[str, Any]) -> bytes:
        raise LookupError("broken")

    with serving(Bridge(saying(broken), on_loop=["/api/"])) as port:
        response = get(port, path)

    assert response.startswith(b"HTTP/1.1 500")
    assert json.loads(body_of(response))["code"] == "internal_error"


@pytest.mark.sqlite  # the same
@pytest.mark.django_db
def test_fibers_that_run_at_once_have_a_connection_each_and_later_ones_have_the_same() -> None:
    ids: list[int] = []
    bells: list[Bell] = []

    def note(environ: dict[str, Any]) -> bytes:
        ids.append(id(connection.vendor and connection._connections[connection._alias]))  # type: ignore[attr-defined]
        if environ["PATH_INFO"] == "/waits":
            bells.append(new_bell())
            bells[0].sleep(20)
        return b""

    with serving(Bridge(saying(note), on_loop=["/"])) as port:
        waiting = threading.Thread(target=get, args=(port, "/waits"))
        waiting.start()
        until(lambda: bells, what="the first request to wait")
        get(port, "/second")
        get(port, "/third")
        bells[0].ring()
        waiting.join(20)

    first, second, third = ids
    assert first != second
    assert second == third


@pytest.mark.sqlite  # one to a server is left to others while its fiber sleeps
@pytest.mark.django_db
def test_no_more_connections_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "KEPT", 1)
    bells: list[Bell] = []

    def note(environ: dict[str, Any]) -> bytes:
        assert connection.vendor == "sqlite"
        if environ["PATH_INFO"] == "/waits":
            bells.append(new_bell())
            bells[-1].sleep(20)
        return b""

    with serving(Bridge(saying(note), on_loop=["/"])) as port:
        waiting = [threading.Thread(target=get, args=(port, "/waits")) for _ in range(3)]
        for one in waiting:
            one.start()
        until(lambda: len(bells) == 3, what="all to wait")
        for bell in bells:
            bell.ring()
        for one in waiting:
            one.join(20)

    assert len(connection_pool._free["default"]) == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_fiber_that_waits_for_the_server_does_not_stop_the_loop() -> None:
    """The first waits in the database for what the second does there, on the same loop."""

    def act(environ: dict[str, Any]) -> bytes:
        with connection.cursor() as cursor:
            if environ["PATH_INFO"] == "/waits":
                cursor.execute("SELECT pg_advisory_lock(1)")
                cursor.execute("SELECT pg_advisory_unlock(1)")
                return b"had it"
            cursor.execute("SELECT 1")
            return b"meanwhile"

    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        with serving(Bridge(saying(act), on_loop=["/"])) as port, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(get, port, "/waits")
            until(lambda: other.execute(WAITERS).fetchone() == (1,), what="the first to wait")
            assert b"meanwhile" in get(port, "/")
            assert not waiting.done()
            other.execute("SELECT pg_advisory_unlock(1)")
            assert b"had it" in waiting.result(20)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_fiber_that_waits_to_be_connected_does_not_stop_the_loop() -> None:
    """To a server that is cut off, which takes the connection and says nothing."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def act(environ: dict[str, Any]) -> bytes:
            if environ["PATH_INFO"] != "/waits":
                return b"meanwhile"
            one = connection_pool._take("default")
            one.settings_dict = one.settings_dict | {"HOST": "127.0.0.1", "PORT": silent.getsockname()[1]}
            try:
                one.ensure_connection()
            except OperationalError as exc:
                said.append(str(exc))
            return b"gave up"

        with serving(Bridge(saying(act), on_loop=["/"])) as port, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(get, port, "/waits")
            connecting, _ = silent.accept()
            assert b"meanwhile" in get(port, "/")
            assert not waiting.done()
            connecting.close()
            assert b"gave up" in waiting.result(20)

    assert len(said) == 1 and "connection" in said[0]


WAITERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_fiber_that_sleeps_leaves_its_connection_to_the_next_one() -> None:
    bells: list[Bell] = []
    backends: list[int] = []

    def act(environ: dict[str, Any]) -> bytes:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backends.append(cursor.fetchone()[0])
        if environ["PATH_INFO"] == "/sleeps":
            bells.append(new_bell())
            bells[-1].sleep(20)
        return b""

    with serving(Bridge(saying(act), on_loop=["/"])) as port:
        sleeping = threading.Thread(target=get, args=(port, "/sleeps"))
        sleeping.start()
        until(lambda: len(bells) == 1, what="it to sleep")
        get(port, "/")
        bells[0].ring()
        sleeping.join(20)

    assert len(set(backends)) == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "most"), [("/api/", 3), ("/", 1)], ids=["fibers", "threads"])
def test_requests_share_so_many_connections_and_wait_for_each_other(
    path: str, most: int, settings: Settings
) -> None:
    settings.WEB_DATABASE_CONNECTIONS = 4
    backends: list[int] = []

    def act(environ: dict[str, Any]) -> bytes:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backends.append(cursor.fetchone()[0])
            cursor.execute("SELECT pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1)")
        return b"had one"

    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        with serving(Bridge(saying(act), on_loop=["/api/"])) as port, ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(get, port, path) for _ in range(8)]
            until(
                lambda: other.execute(WAITERS).fetchone() == (most,), what="as many to wait as there may be"
            )
            other.execute("SELECT pg_advisory_unlock(1)")
            answers = [body_of(one.result(30)) for one in asked]

    assert answers == [b"had one"] * 8
    assert len(set(backends)) == most


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_request_that_gets_no_connection_in_time_is_told_so_and_the_next_one_has_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEB_DATABASE_CONNECTIONS = 2
    monkeypatch.setattr(shared_connections, "WAIT_SECONDS", 0.2)

    def act(environ: dict[str, Any]) -> bytes:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1)")
        except OperationalError as exc:
            return str(exc).encode()
        return b"had it"

    with psycopg.connect(**connection.get_connection_params() | {"autocommit": True}) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        with serving(Bridge(saying(act), on_loop=["/"])) as port, ThreadPoolExecutor(1) as pool:
            first = pool.submit(get, port, "/")
            until(lambda: other.execute(WAITERS).fetchone() == (1,), what="the first to wait")
            second = body_of(get(port, "/"))
            other.execute("SELECT pg_advisory_unlock(1)")
            assert body_of(first.result(20)) == body_of(get(port, "/")) == b"had it"

    assert second.startswith(b"All 1 connections") and b"WEB_DATABASE_CONNECTIONS" in second


def test_a_body_that_is_too_large_is_refused_before_the_application_is_called(settings: Settings) -> None:
    settings.WRITE_MAX_BODY_BYTES = 2_000

    def fail(environ: dict[str, Any]) -> bytes:
        raise AssertionError("called")

    with serving(Bridge(saying(fail), on_loop=[])) as port:
        responses = [
            exchange(port, b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + rest)
            for rest in (
                b"Content-Length: 2001\r\n\r\n" + b"a" * 2_001,
                b"Transfer-Encoding: chunked\r\n\r\n7d1\r\n" + b"a" * 2_001 + b"\r\n0\r\n\r\n",
            )
        ]

    assert [json.loads(body_of(response))["code"] for response in responses] == ["body_too_large"] * 2
