"""`manage.py up`: the one command that runs everything."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until


@pytest.fixture
def service(prepared: Path, tmp_path: Path) -> Iterator[Service]:
    """`up` on a directory whose name means something else in a URL, a pattern or a shell."""
    service = Service.on_copy_of(prepared, tmp_path / "a%20b #[x]", {})
    with (service.directory / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [PYTHON, "manage.py", "up"],
            env=service.environment,
            cwd=BASE_DIR,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    service.processes["up"] = up
    until(lambda: "Ctrl-C stops everything" in service.log("up"), seconds=40, what="the welcome")
    yield service
    if up.poll() is None:
        up.send_signal(signal.SIGINT)
        up.wait(60)
    service.stop_all()


def pid_of_writer(service: Service) -> int:
    lease = service.directory / "store.sqlite3.lease"
    # Empty for an instant while a new holder writes itself down.
    holder = until(lambda: re.findall(r'"pid": (\d+)', lease.read_text()), what="a holder of the lease")
    return int(holder[0])


@pytest.mark.timeout(200)
def test_up_runs_everything_survives_kills_and_stops_in_order(service: Service) -> None:
    [curl] = re.findall(r"^ *(curl .*)$", service.log("up"), re.MULTILINE)
    printed = subprocess.run(shlex.split(curl), capture_output=True, text=True, check=True).stdout
    assert printed.startswith("HTTP/1.1 201")
    assert service.names() == ["first item"]
    assert (service.directory / "demo-token").stat().st_mode & 0o777 == 0o600
    assert (service.directory / "secret-key").stat().st_mode & 0o777 == 0o600

    second = service.manage("up", check=False)
    assert second.returncode == 1
    assert str(service.processes["up"].pid) in second.stderr

    load = subprocess.Popen(
        [PYTHON, "manage.py", "load_test", "--requests", "3000", "--connections", "32"],
        env=service.environment,
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: len(service.names()) > 500, seconds=60, what="some load")
    killed = pid_of_writer(service)
    subprocess.run(["kill", "-9", str(killed)], check=True)
    until(lambda: pid_of_writer(service) != killed, what="the writer to be restarted")
    output, _ = load.communicate(timeout=120)
    assert load.returncode == 0, output
    assert len(service.names()) == 3001

    service.processes["up"].send_signal(signal.SIGINT)
    assert service.processes.pop("up").wait(60) == 0
    log = service.log("up")
    stopped = [log.rindex(process) for process in ("web", "writer", "redis")]
    assert stopped == sorted(stopped)
    assert service.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.timeout(120)
def test_up_keeps_its_data_in_a_directory_with_an_awkward_name_and_to_itself(service: Service) -> None:
    assert service.create("here").status == 201
    assert service.names() == ["here"]
    assert [path.name for path in service.directory.parent.iterdir()] == ["a%20b #[x]"]
    shared = [
        path
        for path in (service.directory, *service.directory.rglob("*"))
        if path.name in {"redis", "appendonlydir"} or path.suffix in {".aof", ".rdb", ".manifest"}
        if path.stat().st_mode & 0o077
    ]
    assert shared == []


@pytest.mark.timeout(120)
def test_up_replaces_a_writer_that_hangs(service: Service) -> None:
    assert service.create("before").status == 201
    hung = pid_of_writer(service)
    os.kill(hung, signal.SIGSTOP)

    until(lambda: service.get("/health/ready").status == 503, seconds=6, what="ready to turn red")
    until(lambda: pid_of_writer(service) != hung, seconds=30, what="the standby to take over")
    until(service.is_ready, seconds=10)
    assert service.create("after").status == 201
    assert service.names() == ["before", "after"]


def test_up_makes_no_demo_access_without_the_switch(make_service, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    service = make_service()
    (service.directory / "demo-token").unlink()
    service.settings = {"DEMO": "0"}
    for process in ("redis", "writer", "web"):
        service.start(process)
    until(lambda: "holds-lease" in service.log("writer"), seconds=20)

    assert service.post("/session_a", anonymous=True, headers={}).status == 401
    assert not (service.directory / "demo-token").exists()
