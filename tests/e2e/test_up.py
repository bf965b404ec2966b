"""`manage.py up`: the one command that runs everything."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until


@contextmanager
def up(prepared: Path, directory: Path) -> Iterator[Service]:
    """Run `up` on a directory whose name means something else in a URL, a pattern or a shell."""
    service = Service.on_copy_of(prepared, directory / "a%20b #[x]", {"WEB_PROCESSES": "1"})
    with (service.directory / "up.log").open("wb") as log:
        running = subprocess.Popen(
            [PYTHON, "manage.py", "up"],
            env=service.environment,
            cwd=BASE_DIR,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    service.processes["up"] = running
    try:
        until(lambda: "Ctrl-C stops everything" in service.log("up"), seconds=40, what="the welcome")
        yield service
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            running.wait(60)
    finally:
        service.stop_all()


@pytest.fixture
def service(prepared: Path, tmp_path: Path) -> Iterator[Service]:
    with up(prepared, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """For the tests that leave it well."""
    with up(prepared, tmp_path_factory.mktemp("up")) as running:
        yield running


def pid_of_writer(service: Service) -> int:
    lease = service.directory / "store.sqlite3.lease"
    # Empty for an instant while a new holder writes itself down.
    holder = until(lambda: re.findall(r'"pid": (\d+)', lease.read_text()), what="a holder of the lease")
    return int(holder[0])


@pytest.mark.timeout(200)
def test_up_runs_everything_survives_kills_and_stops_in_order(service: Service) -> None:
    [curl] = re.findall(r"^ *(curl (?:.*\\\n)*.*)$", service.log("up"), re.MULTILINE)
    printed = subprocess.run(curl, shell=True, capture_output=True, text=True, check=True).stdout
    assert printed.startswith("HTTP/1.1 201")
    assert service.names() == ["first item"]
    assert (service.directory / "demo-token").stat().st_mode & 0o777 == 0o600
    assert (service.directory / "secret-key").stat().st_mode & 0o777 == 0o600

    second = service.manage("up", check=False)
    assert second.returncode == 1
    assert str(service.processes["up"].pid) in second.stderr

    load = subprocess.Popen(
        [PYTHON, "manage.py", "load_test", "--requests", "1500", "--connections", "32"],
        env=service.environment,
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: len(service.names()) > 300, seconds=60, what="some load")
    killed = pid_of_writer(service)
    subprocess.run(["kill", "-9", str(killed)], check=True)
    until(lambda: pid_of_writer(service) != killed, what="the writer to be restarted")
    output, _ = load.communicate(timeout=120)
    assert load.returncode == 0, output
    assert len(service.names()) == 1501

    service.processes["up"].send_signal(signal.SIGINT)
    assert service.processes.pop("up").wait(60) == 0
    log = service.log("up")
    stopped = [log.rindex(process) for process in ("web", "writer", "redis")]
    assert stopped == sorted(stopped)
    assert service.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.xdist_group("up")
@pytest.mark.timeout(120)
def test_up_keeps_its_data_in_a_directory_with_an_awkward_name_and_to_itself(shared: Service) -> None:
    assert shared.create("here").status == 201
    assert shared.names()[-1] == "here"
    assert [path.name for path in shared.directory.parent.iterdir()] == ["a%20b #[x]"]
    readable_by_others = [
        path
        for path in (shared.directory, *shared.directory.rglob("*"))
        if path.name in {"redis", "appendonlydir"} or path.suffix in {".aof", ".rdb", ".manifest"}
        if path.stat().st_mode & 0o077
    ]
    assert readable_by_others == []


@pytest.mark.xdist_group("up")
@pytest.mark.timeout(120)
def test_up_replaces_a_writer_that_hangs(shared: Service) -> None:
    assert shared.create("before").status == 201
    hung = pid_of_writer(shared)
    os.kill(hung, signal.SIGSTOP)

    until(lambda: shared.get("/health/ready").status == 503, seconds=6, what="ready to turn red")
    until(lambda: pid_of_writer(shared) != hung, seconds=30, what="the standby to take over")
    until(shared.is_ready, seconds=10)
    assert shared.create("after").status == 201
    assert shared.names()[-2:] == ["before", "after"]


def test_up_makes_no_demo_access_without_the_switch(make_service, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    service = make_service()
    (service.directory / "demo-token").unlink()
    service.settings = {"DEMO": "0"}
    for process in ("redis", "writer", "web"):
        service.start(process)
    until(lambda: "holds-lease" in service.log("writer"), seconds=20)

    assert service.post("/session_a", anonymous=True, headers={}).status == 401
    assert not (service.directory / "demo-token").exists()
