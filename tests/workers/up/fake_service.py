"""A small HTTP server that creates items as the service does, except where a test tells it to misbehave."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.db import connections
from django.utils import timezone

from items.models import Item


class FakeService(ThreadingHTTPServer):
    """Responds to `POST /api/items/` with 201, replays by Idempotency-Key, and does first what `script` says.

    `script` maps a request's number (the last word of the item's name) to what happens to its first tries:
    `cut` before or `cut_after` the row is there, `cut_behind_a_proxy` (502), `busy` (503), `queue` (202),
    `refuse` (400), `lose` (201 without a row), `double` (201 with two rows).
    """

    def __init__(self, script: dict[int, list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = {number: list(steps) for number, steps in script.items()}
        self.writes: dict[int, str] = {}
        """What becomes of the writes that got 202: id to status."""
        self.queued_becomes = ["queued", "committed"]
        self.known_keys: set[str] = set()
        self.sessions: dict[str, int] = {"/session_a": 200, "/session_b": 200}
        self.unauthorized = False
        self.is_unknown_host = False
        """As with a Host that is not one of ALLOWED_HOSTS."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(script: dict[int, list[str]] | None = None) -> Iterator[FakeService]:
    """Run a fake service in a thread."""
    with FakeService(script or {}) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FakeService
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.server.is_unknown_host:
            self._respond(400, {"code": "bad_request"})
        elif self.path.startswith("/api/writes/"):
            self._respond(200, {"status": self._status_of(int(self.path.split("/")[3]))})
        elif self.server.unauthorized and self.path.startswith("/api/"):
            self._respond(401, {"code": "not_authenticated"})
        else:
            self._respond(200, {"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path in self.server.sessions:
            status = self.server.sessions[self.path]
            self._respond(status, {"status": "committed"} if status == 200 else {"detail": "no writer"})
            return
        name = json.loads(body)["name"]
        number = int(name.rsplit(" ", 1)[1])
        with self.server.lock:
            steps = self.server.script.get(number, [])
            step = steps.pop(0) if steps else "create"
            self._do(step, name, number)

    def _do(self, step: str, name: str, number: int) -> None:
        if step == "cut":
            self.close_connection = True
        elif step == "cut_after":
            self._create(name)
            self.close_connection = True
        elif step == "busy":
            self._respond(503, {"code": "stream_full"}, {"Retry-After": "0"})
        elif step == "cut_behind_a_proxy":
            self._create(name)
            self._respond(502, {})
        elif step == "refuse":
            self._respond(400, {"code": "invalid"})
        elif step == "queue":
            self._create(name)
            self.server.writes[number + 1] = name
            self._respond(202, {}, {"Write-Id": str(number + 1)})
        else:
            for _ in range({"lose": 0, "double": 2}.get(step, 1)):
                self._create(name, once=step != "double")
            self._respond(201, {"name": name})

    def _status_of(self, write_id: int) -> str:
        becomes = self.server.queued_becomes
        return becomes.pop(0) if len(becomes) > 1 else becomes[0]

    def _create(self, name: str, *, once: bool = True) -> None:
        key = self.headers["Idempotency-Key"]
        if once and key and key in self.server.known_keys:
            return
        self.server.known_keys.add(key)
        now = timezone.now()
        Item.objects.create(name=name, created_at=now, updated_at=now)
        connections.close_all()

    def _respond(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        return
