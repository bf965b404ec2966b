"""A worker that is stopped or hangs is seen by whoever watches that very worker, and replaced."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import forks
from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until

FRESH_SECONDS = 5
"""A health check finds a progress file older than this stale."""


class Watched:
    """A worker under `manage.py writer --watchdog`."""

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self.file = service.directory / f"{name}.progress"
        self._log = service.directory / f"{name}.log"
        options = ["--watchdog", "--name", name, "--loglevel", "INFO", "--progress-file", str(self.file)]
        with self._log.open("ab") as log:
            self.parent = forks.start(
                [PYTHON, "manage.py", "writer", *options],
                env=service.environment | {"WRITE_TIME_LIMIT_SECONDS": "1"},
                cwd=BASE_DIR,
                stdout=log,
                stderr=log,
                new_session=True,
            )
        service.processes[name] = self.parent

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def worker(self) -> psutil.Process | None:
        children = psutil.Process(self.parent.pid).children()
        return children[0] if children else None

    def is_fresh(self) -> bool:
        return time.time() - self.file.stat().st_mtime < FRESH_SECONDS

    def says(self, text: str, *, times: int = 1) -> None:
        until(lambda: self.log.count(text) >= times, seconds=40, what=f"{self.name}: {text}")

    def freeze(self) -> psutil.Process:
        worker = self.worker
        assert worker is not None
        worker.send_signal(signal.SIGSTOP)
        return worker


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Iterator[Service]:
    service = make_service()
    service.start("redis")
    service.start("web")
    yield service
    for process in service.processes.values():  # the workers are in sessions of their own
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()


@pytest.fixture
def writer(service: Service) -> Watched:
    watched = Watched(service, "writer")
    watched.says("state=holds-lease")
    until(service.is_ready, seconds=30)
    return watched


@pytest.fixture
def standby(service: Service, writer: Watched) -> Watched:
    watched = Watched(service, "standby")
    watched.says("state=standby")
    return watched


def test_a_writer_that_is_stopped_is_killed_and_the_standby_commits(
    service: Service, writer: Watched, standby: Watched
) -> None:
    assert service.create("before").status == 201
    frozen = writer.freeze()

    waiting = service.create("meanwhile", timeout=30)

    assert waiting.status in {201, 202}
    standby.says("state=holds-lease")
    assert not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE
    assert "writer has made no progress for 5 s; killing it" in writer.log
    until(lambda: service.names() == ["before", "meanwhile"], what="the write of meanwhile")
    writer.says("state=standby")  # the new one


def test_a_standby_that_is_stopped_is_seen_and_replaced_though_the_writer_works(
    service: Service, writer: Watched, standby: Watched
) -> None:
    until(standby.is_fresh)
    frozen = standby.freeze()

    standby.says("standby has made no progress for 5 s; killing it")

    assert not standby.is_fresh()
    standby.says("state=standby", times=2)
    until(standby.is_fresh)
    assert standby.worker != frozen
    assert service.create("all the while").status == 201
    assert "killing it" not in writer.log


def test_workers_that_wait_for_redis_are_left_alone(
    service: Service, writer: Watched, standby: Watched
) -> None:
    workers = [watched.worker for watched in (writer, standby)]
    service.signal("redis", signal.SIGSTOP)
    time.sleep(8)  # longer than either may be silent: what is looked for is that nothing happens
    service.signal("redis", signal.SIGCONT)
    service.kill("redis")
    time.sleep(8)
    service.start("redis")

    until(service.is_ready, seconds=30)
    assert service.create("after").status == 201
    assert [watched.worker for watched in (writer, standby)] == workers


def test_a_signal_stops_worker_and_watchdog_in_order(service: Service, writer: Watched) -> None:
    worker = writer.worker
    assert worker is not None

    assert service.stop("writer") == 0

    assert not worker.is_running()
    assert "state=gave-lease-back reason=shutdown" in writer.log


def test_a_worker_ends_with_a_watchdog_that_is_killed(service: Service, writer: Watched) -> None:
    worker = writer.worker
    assert worker is not None

    service.kill("writer")

    until(lambda: not worker.is_running(), seconds=20, what="the worker to end")


def test_a_progress_file_that_is_gone_for_good_ends_neither_worker_nor_watchdog(
    service: Service, writer: Watched
) -> None:
    worker = writer.worker
    writer.file.unlink()
    writer.file.symlink_to("/nowhere/at/all")

    time.sleep(2)  # several signs of progress: what is looked for is that nothing happens

    assert service.create("after").status == 201
    assert writer.worker == worker
    assert not writer.file.exists()


def test_a_progress_file_that_cannot_be_is_named_at_once(service: Service) -> None:
    done = service.manage("writer", "--watchdog", "--progress-file", "/nowhere/at/all", check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines() == ["CommandError: /nowhere/at/all: No such file or directory"]


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd is to a unit of Type=notify."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def start_as_a_unit(service: Service, name: str, notify: socket.socket) -> forks.Process:
    service.settings = {"NOTIFY_SOCKET": notify.getsockname()}
    service.start("writer")
    service.processes[name] = service.processes.pop("writer")
    return service.processes[name]


def test_systemd_hears_that_a_writer_is_ready_and_makes_progress_and_nothing_while_it_is_stopped(
    service: Service, notify: socket.socket
) -> None:
    start_as_a_unit(service, "unit", notify)
    assert notify.recv(100) == b"READY=1\nWATCHDOG=1"
    notify.recv(100)

    service.signal("unit", signal.SIGSTOP)
    assert is_silent(notify)
    service.signal("unit", signal.SIGCONT)

    notify.recv(100)


def test_systemd_hears_a_standby_and_a_writer_without_redis(service: Service, notify: socket.socket) -> None:
    service.start("writer")
    until(service.is_ready, seconds=30)
    service.processes["first"] = service.processes.pop("writer")
    start_as_a_unit(service, "unit", notify)
    until(lambda: "state=standby" in service.log("writer"), seconds=30, what="the unit to stand by")
    assert not is_silent(notify)

    service.kill("redis")

    for _ in range(10):
        notify.recv(100)


def is_silent(notify: socket.socket) -> bool:
    """Return whether nothing comes in, after what was under way, for three times the usual pause."""
    notify.settimeout(1.5)
    deadline = time.monotonic() + 6
    try:
        while time.monotonic() < deadline:
            notify.recv(100)
    except TimeoutError:
        return True
    finally:
        notify.settimeout(30)
    return False
