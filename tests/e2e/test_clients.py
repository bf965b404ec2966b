"""The example clients of the documentation, against a service whose writer is killed."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from tests.e2e.service import BASE_DIR, Service
from tests.waiting import until

CLIENTS = BASE_DIR / "docs" / "clients"
SCRIPT_FILE = (CLIENTS / "one-writer.js").as_uri()
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="the JavaScript client was not run: there is no node")
SCRIPT = """
import { Client } from "%s";
const client = new Client(process.env.URL, process.env.TOKEN);
const created = await client.write("POST", "/api/items/", { name: "from a page" }, { Prefer: "wait=1" });
const path = created.headers.get("Location");
const tag = created.headers.get("ETag");
const changed = await client.write("PATCH", path, { name: "renamed" }, { "If-Match": tag });
const refused = await client.write("POST", "/api/items/", { name: "" });
const shown = await (await client.read(path)).json();
console.log(created.status, changed.status, refused.status, shown.name);
"""


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("one_writer_client", CLIENTS / "one_writer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAUSES = {
    "Sun, 06 Nov 1994 08:49:37 GMT": 0.5,
    "Sunday, 06-Nov-94 08:49:37 GMT": 0.5,
    "Sun Nov  6 08:49:37 1994": 0.5,
    "Fri, 31 Dec 2999 23:59:59 GMT": 30,
    "0": 0.5,
    "7": 7,
    "7200": 30,
    "9" * 5000: 30,
    None: 1,
    "": 1,
    "soon enough": 1,
    "Sun, 99 Nov 1994 08:49:37 GMT": 1,
}
"""What `Retry-After` may say, and the seconds that a client then waits."""


def _in_20_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)


def test_the_client_in_python_waits_as_it_is_told_within_bounds() -> None:
    pause = _module().pause

    assert [pause(said) for said in PAUSES] == list(PAUSES.values())
    assert 1 < pause(_in_20_seconds()) <= 20


@needs_node
def test_the_client_in_javascript_waits_as_it_is_told_within_bounds() -> None:
    said = json.dumps([*PAUSES, _in_20_seconds()])
    *waits, by_date = json.loads(_run(f"console.log(JSON.stringify({said}.map(pause)))"))

    assert waits == list(PAUSES.values())
    assert 1 < by_date <= 20


def _run(script: str) -> str:
    """Return what this script prints, to which the client in JavaScript is known."""
    program = f'import {{ Client, pause }} from "{SCRIPT_FILE}"; {script}'
    done = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Proxy(BaseHTTPRequestHandler):
    """Has nobody to pass the first request on to, and says with a date when it may have.

    At /refused it refuses by itself, with a page; at /silent it says nothing.
    """

    def do_POST(self) -> None:
        if self.path == "/silent":
            self.server.ended.wait()  # type: ignore[attr-defined]  # set by the test
            return
        if self.path == "/refused":
            self.send_error(409)
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        keys = self.server.keys  # type: ignore[attr-defined]  # set by the test
        keys.append(self.headers["Idempotency-Key"])
        self.send_response(503 if len(keys) == 1 else 201)
        self.send_header("Retry-After", formatdate(usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.keys, server.ended = [], Event()  # type: ignore[attr-defined]  # of the handler
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_client_in_python_goes_on_where_a_proxy_names_a_date(proxy: Any) -> None:
    client = _module().Client(f"http://127.0.0.1:{proxy.server_port}", "token")

    assert client.write("POST", "/", {}).status_code == 201

    client.http.close()
    assert proxy.keys == [proxy.keys[0]] * 2


@needs_node
def test_the_client_in_javascript_goes_on_where_a_proxy_names_a_date(proxy: Any) -> None:
    client = f'new Client("http://127.0.0.1:{proxy.server_port}", "token")'

    assert _run(f'console.log((await {client}.write("POST", "/", {{}})).status)') == "201\n"

    assert proxy.keys == [proxy.keys[0]] * 2


def test_the_client_in_python_returns_a_refusal_that_is_a_page(proxy: Any) -> None:
    client = _module().Client(f"http://127.0.0.1:{proxy.server_port}", "token")

    assert client.write("POST", "/refused", {}).status_code == 409

    client.http.close()


@needs_node
def test_the_client_in_javascript_returns_a_refusal_that_is_a_page(proxy: Any) -> None:
    client = f'new Client("http://127.0.0.1:{proxy.server_port}", "token")'

    assert _run(f'console.log((await {client}.write("POST", "/refused", {{}})).status)') == "409\n"


@needs_node
def test_the_client_in_javascript_does_not_wait_for_a_server_that_says_nothing(proxy: Any) -> None:
    client = f'new Client("http://127.0.0.1:{proxy.server_port}", "token", 0.5)'

    said = _run(
        f'try {{ await {client}.write("POST", "/silent", {{}}) }} catch (error) {{ console.log(error.name) }}'
    )

    assert said == "TimeoutError\n"


def test_clients_get_their_outcome_once_although_the_writer_was_killed(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    service.start_all()
    client = _module().Client(service.url, service.token)
    service.kill("writer")
    answers = []
    writing = Thread(
        target=lambda: answers.append(client.write("POST", "/api/items/", {"name": "x"}, Prefer="wait=1"))
    )
    writing.start()
    until(lambda: service.redis().xlen("writes:stream") > 0, what="the write to wait")
    service.start("writer")
    writing.join(60)

    [created] = answers
    assert created.status_code == 201
    path = created.headers["Location"]
    changed = client.write("PATCH", path, {"name": "y"}, **{"If-Match": created.headers["ETag"]})
    stale = client.write("PATCH", path, {"name": "z"}, **{"If-Match": created.headers["ETag"]})
    client.write("PATCH", path, {"name": "y2"}, Prefer="respond-async")
    assert (changed.status_code, stale.status_code) == (200, 412)
    assert client.read(path).json()["name"] == "y2"
    assert service.names() == ["y2"]
    client.http.close()

    if not NODE:
        pytest.skip("the JavaScript client was not run: there is no node")
    service.kill("writer")
    run = subprocess.Popen(
        [NODE, "--input-type=module", "--eval", SCRIPT % SCRIPT_FILE],
        env=service.environment | {"URL": service.url, "TOKEN": service.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: service.redis().xlen("writes:stream") > 0, what="the write of the page to wait")
    service.start("writer")
    output, errors = run.communicate(timeout=60)

    assert output.split(maxsplit=3) == ["201", "200", "400", "renamed\n"], errors
    assert service.names() == ["y2", "renamed"]
