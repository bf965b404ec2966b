"""The example clients of the documentation, against a service whose writer is killed."""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from tests.e2e.service import BASE_DIR, Service
from tests.waiting import until

CLIENTS = BASE_DIR / "docs" / "clients"
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


def _client(service: Service) -> Any:
    spec = importlib.util.spec_from_file_location("one_writer_client", CLIENTS / "one_writer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Client(service.url, service.token)


def test_clients_get_their_outcome_once_although_the_writer_was_killed(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    service.start_all()
    client = _client(service)
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

    if not (node := shutil.which("node")):
        pytest.skip("the JavaScript client was not run: there is no node")
    service.kill("writer")
    run = subprocess.Popen(
        [node, "--input-type=module", "--eval", SCRIPT % (CLIENTS / "one-writer.js").as_uri()],
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
