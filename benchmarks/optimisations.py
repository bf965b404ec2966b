"""What each small optimisation of the request path gives: the CPU time of a request with it and without it.

    .venv/bin/python -m benchmarks.optimisations [requests, such as 2000] [part of a name]

So many requests of each kind, with it and without it, go one after another through the WSGI application in
one process, and are committed by a writer in another. Blocks of both alternate, so what slows the machine
slows both. Counted is the CPU time of the whole web process, with its listener. The server is not
part of it, and neither is what several requests at once share.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import way_of_a_write as way

BLOCK = 25
"""Requests between two changes of the side."""

POST = ("POST", "/api/items/", b'{"name": "first item"}')
GET = ("GET", "/api/items/1/", b"")
LIST = ("GET", "/api/items/", b"")
REQUESTS = {"POST": POST, "GET one": GET, "GET list": LIST}
ALL = tuple(REQUESTS)
LISTED = 100
"""Items in the store before the first list is measured: more than a page of them."""

Send = Callable[[tuple[str, str, bytes]], None]


def main() -> None:
    """Start Redis and the writer over a store of their own, and measure in a process beside them."""
    with tempfile.TemporaryDirectory(prefix="optimisations-") as directory:
        environment = {
            **os.environ,
            "DATA_DIR": directory,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "LOG_LEVEL": "ERROR",
        }
        redis = subprocess.Popen(json.loads(_run(way, "prepare", environment)), stdout=subprocess.DEVNULL)
        writer = subprocess.Popen(
            [sys.executable, "-m", way.__name__, "writer"],
            env=environment,
            cwd=way.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert writer.stdout
            writer.stdout.readline()  # it has the lease
            command = [sys.executable, "-W", "ignore", "-m", __spec__.name, "measure", *sys.argv[1:]]
            subprocess.run(command, env=environment, cwd=way.ROOT, check=True)
        finally:
            writer.kill()
            redis.kill()


def _run(module: Any, role: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", module.__name__, role]
    done = subprocess.run(
        command, env=environment, cwd=way.ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()[-1]


def measure(requests: int, *, part: str) -> None:
    """Print a line for each optimisation whose name has this part, and each kind of request."""
    send = _sender()
    for _ in range(LISTED):
        send(POST)
    for request in REQUESTS.values():
        _block(send, request)
    print("| what | request | with, us | without, us | gain | quartiles of the gain |")
    print("|---|---|---|---|---|---|")
    chosen = {name: how for name, how in _optimisations().items() if part in name}
    for name, (kinds, without) in chosen.items():
        for kind in kinds:
            on, off, gains = _compare(send, REQUESTS[kind], without, requests // BLOCK)
            low, middle, high = statistics.quantiles(gains, n=4)
            print(
                f"| {name} | {kind} | {on:.0f} | {off:.0f} | {middle:.1%} | {low:.1%} to {high:.1%} |",
                flush=True,
            )


def _compare(
    send: Send, request: tuple[str, str, bytes], without: Callable[[], Any], blocks: int
) -> tuple[float, float, list[float]]:
    on, off = [], []
    for _ in range(blocks):
        for is_on in random.sample([True, False], 2):
            if is_on:
                on.append(_block(send, request))
            else:
                with without():
                    off.append(_block(send, request))
    gains = [1 - with_it / without_it for with_it, without_it in zip(on, off, strict=True)]
    return statistics.median(on), statistics.median(off), gains


def _block(send: Send, request: tuple[str, str, bytes]) -> float:
    """Return the CPU microseconds of one request."""
    send(request)  # what a change of the side has emptied is full again
    before = time.process_time()
    for _ in range(BLOCK):
        send(request)
    return (time.process_time() - before) / BLOCK * 1e6


def _write(_: bytes) -> None:
    """Take what WSGI's `write` would send; Django never calls it."""


def _sender() -> Send:
    from django.conf import settings

    from project.wsgi import application

    token = (Path(settings.DATA_DIR) / "demo-token").read_text().strip()

    def send(request: tuple[str, str, bytes]) -> None:
        method, path, body = request
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost:8000",
            "HTTP_ACCEPT": "*/*",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }
        response = application(environ, lambda *_: _write)
        assert response.status_code in {200, 201}, response
        response.close()

    return send


def _optimisations() -> dict[str, tuple[tuple[str, ...], Callable[[], Any]]]:
    """Return by name the kinds of request that meet it, and what takes it away while it is entered."""
    from django.urls import reverse
    from django_filters.rest_framework import DjangoFilterBackend
    from knox.auth import TokenAuthentication
    from rest_framework.fields import empty
    from rest_framework.negotiation import DefaultContentNegotiation

    from items.filters import AskedFilterBackend
    from project.accounts.authentication import BearerAuthentication
    from project.api.handlers import Application
    from workers.rest import responses
    from workers.rest.negotiation import PlainNegotiation
    from workers.rest.serializers import SharedFieldsMixin

    def own_fields(self: Any, data: Any = empty) -> Any:
        return super(SharedFieldsMixin, self).run_validation(data)

    def reversed_each_time(route: str, key: str) -> str:
        return reverse(route, args=[key])

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    patch = mock.patch.object
    return {
        "nothing (the noise)": (ALL, nothing),
        "a token is valid for a second": (
            ALL,
            lambda: patch(BearerAuthentication, "authenticate", TokenAuthentication.authenticate),
        ),
        "filters only where one is asked for": (
            ("GET one", "GET list"),
            lambda: patch(AskedFilterBackend, "filter_queryset", DjangoFilterBackend.filter_queryset),
        ),
        "a serializer's fields made once": (
            ("POST",),
            lambda: patch(SharedFieldsMixin, "run_validation", own_fields),
        ),
        "the renderer chosen at once": (
            ALL,
            lambda: patch(PlainNegotiation, "select_renderer", DefaultContentNegotiation.select_renderer),
        ),
        "what only browsers need passed by": (
            ALL,
            lambda: patch(Application, "__call__", lambda self, *request: self._browsers(*request)),
        ),
        "a route asked for its form once": (
            ("POST",),
            lambda: patch(responses, "detail_path", reversed_each_time),
        ),
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", *rest]:
            measure(int(rest[0]) if rest else 2_000, part=rest[1] if len(rest) > 1 else "")
        case _:
            main()
