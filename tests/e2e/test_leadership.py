"""One worker is the writer: of several that start, wake up or die, in every order."""

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until

TAKE_THE_LEASE_AGAIN_AND_AGAIN = """
import sys
from pathlib import Path
from workers.store.lease import Lease
print("ready", flush=True)
for line in sys.stdin:
    lease = Lease(Path(sys.argv[1]))
    print(lease.try_acquire(purpose="test"), flush=True)
    sys.stdin.readline()
    lease.release()
    print("released", flush=True)
"""


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    service = make_service()
    service.start_all()
    return service


def test_of_two_processes_that_try_at_the_same_instant_one_gets_the_lease(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pair = [
            stack.enter_context(
                subprocess.Popen(
                    [PYTHON, "-c", TAKE_THE_LEASE_AGAIN_AND_AGAIN, str(tmp_path / "lease")],
                    cwd=BASE_DIR,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(2)
        ]

        def tell_both() -> list[str]:
            answers = []
            for process in pair:
                assert process.stdin is not None
                process.stdin.write("go on\n")
                process.stdin.flush()
            for process in pair:
                assert process.stdout is not None
                answers.append(process.stdout.readline().strip())
            return answers

        assert [process.stdout.readline() for process in pair if process.stdout] == ["ready\n"] * 2
        for _ in range(200):
            assert sorted(tell_both()) == ["False", "True"]
            assert tell_both() == ["released", "released"]
        for process in pair:
            process.kill()


def test_of_two_workers_that_start_at_the_same_instant_one_writes(service: Service) -> None:
    service.stop("writer")
    service.start("writer")
    service.processes["other"] = service.processes.pop("writer")
    service.start("writer")

    until(lambda: "state=standby" in service.log("writer"), seconds=30, what="one to stand by")
    # The one that was stopped, and one of these, which may be slower to say it than the other to stand by.
    until(lambda: service.log("writer").count("state=holds-lease") == 2, what="one to hold the lease")

    assert service.create("by one of them").status == 201


def test_a_frozen_writer_that_wakes_up_never_writes_beside_another(service: Service) -> None:
    frozen = service.processes["writer"]
    service.signal("writer", SIGSTOP)
    service.processes["frozen"] = service.processes.pop("writer")
    service.start("writer")
    until(lambda: "state=standby" in service.log("writer"), seconds=30, what="the second to stand by")
    waiting = service.create("while frozen", headers={"Prefer": "wait=1"})
    assert waiting.status == 202
    assert service.names() == []

    service.signal("frozen", SIGCONT)

    until(lambda: service.names() == ["while frozen"], what="the commit by the one that holds the lease")
    assert str(frozen.pid) in (service.directory / "store.sqlite3.lease").read_text()


def test_a_write_that_kills_the_writer_is_failed_and_its_neighbours_are_committed(service: Service) -> None:
    service.stop("writer")
    before = service.post("/api/jottings/", {"text": "before"})
    deadly = service.post("/api/deadly/", {})
    after = service.post("/api/jottings/", {"text": "after"})
    assert {before.status, deadly.status, after.status} == {202}

    deadline = time.monotonic() + 60
    while service.redis().xlen("writes:stream") and time.monotonic() < deadline:
        service.start("writer")
        process = service.processes["writer"]
        until(lambda: process.poll() is not None or not service.redis().xlen("writes:stream"), seconds=30)  # noqa: B023
        if process.poll() is not None:
            del service.processes["writer"]

    status = service.get(f"/api/writes/{deadly.headers['Write-Id']}/").json()
    assert (status["status"], status["error"]["code"]) == ("failed", "write_killed_writer")
    assert [text for (text,) in service.rows("SELECT text FROM jottings_jotting ORDER BY id")] == [
        "before",
        "after",
    ]
    assert service.post("/api/jottings/", {"text": "again"}).status == 201
