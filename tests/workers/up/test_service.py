import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from tests.e2e.service import BASE_DIR
from workers.stream import heartbeat, keys
from workers.up import service
from workers.up.service import AddressUnavailable, RedisUnavailable
from workers.web.grace import graceful_seconds

# To learn of tasks, Celery runs the system checks, and some of those ask the database.
pytestmark = pytest.mark.django_db


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_named(settings: Settings, taken_port: int) -> None:
    settings.HOST, settings.PORT = "127.0.0.1", taken_port

    with pytest.raises(AddressUnavailable, match=rf"^Port {taken_port} on 127\.0\.0\.1 is taken.*set PORT"):
        service.check_address()


def test_a_host_that_is_not_this_machine_is_named(settings: Settings) -> None:
    settings.HOST = "192.0.2.1"  # reserved for documentation

    with pytest.raises(AddressUnavailable, match=r"Cannot listen on HOST=192\.0\.2\.1"):
        service.check_address()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),
        ("::1", "http://[::1]:8123"),
        ("::", "http://[::1]:8123"),
        ("example.org", "http://example.org:8123"),
    ],
)
def test_the_url_is_one_that_can_be_opened(settings: Settings, host: str, url: str) -> None:
    settings.HOST, settings.PORT = host, 8123

    assert service.url() == url


def test_the_processes_run_with_this_interpreter_on_the_same_data_and_redis(settings: Settings) -> None:
    processes = service.processes(None)
    writer, web = processes[0], processes[-1]

    # The tests' app has tasks of its own.
    assert [process.name for process in processes] == ["writer", "standby", "tasks", "web"]
    assert writer.command[0] == web.command[0] == sys.executable
    assert service.environment()["DATA_DIR"] == os.fspath(settings.DATA_DIR)


def test_the_worker_for_own_tasks_finds_the_celery_app_wherever_it_is(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("from shop.elsewhere import queue\n")
    (shop / "elsewhere.py").write_text(
        "from celery import Celery\nfrom workers.celery import prepare\n"
        "queue = Celery('of another name')\nprepare(queue)\n"
    )
    (shop / "settings.py").write_text("SECRET_KEY = 'x'\n")
    [command] = [process.command for process in service.processes(None) if process.name == "tasks"]
    app = command[command.index("-A") + 1]

    said = subprocess.run(
        [sys.executable, "-c", f"from celery.app.utils import find_app; print(find_app({app!r}).main)"],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "shop.settings"},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert said.strip() == "of another name"


def test_the_web_server_gets_longer_to_stop_than_a_request_may_wait(settings: Settings) -> None:
    settings.WRITE_WAIT_SECONDS = 100.0

    web = service.processes(None)[-1]

    assert graceful_seconds() > 100
    assert web.grace_seconds > graceful_seconds()


def test_the_writer_is_ready_while_a_heartbeat_is_that_of_a_living_process(clean_redis: redis.Redis) -> None:
    writer = service.processes(None)[0]
    state = heartbeat.WriterState(
        host="here", pid=os.getpid(), since=0, progress_at=0, committed_at=None, commits=0, writes=0
    )
    assert not writer.is_ready(1)

    clean_redis.set(keys.heartbeat(), json.dumps(asdict(state)))
    assert writer.is_ready(1)

    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    clean_redis.set(keys.heartbeat(), json.dumps(asdict(replace(state, pid=dead.pid))))
    assert not writer.is_ready(1)


def test_without_redis_or_web_server_nothing_is_ready(settings: Settings, taken_port: int) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    settings.HOST, settings.PORT = "127.0.0.1", taken_port  # accepts, and never responds

    writer, *_, web = service.processes(None)

    assert not writer.is_ready(1)
    assert not web.is_ready(1)


def test_a_redis_that_is_not_there_is_named_without_its_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_REDIS_SECONDS", 0.2)
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"

    with pytest.raises(RedisUnavailable, match=r"REDIS_URL=redis://\*\*\*@127\.0\.0\.1:1/0: ") as caught:
        service.check_redis()

    assert "\n" not in str(caught.value)


def test_a_redis_that_responds_is_well(clean_redis: redis.Redis) -> None:
    service.check_redis()


def test_a_worker_says_nothing_of_superusers(tmp_path: Path) -> None:
    code = (
        "import warnings; warnings.simplefilter('default'); from project.celery import app\n"
        "from celery.platforms import _warn_or_raise_security_error as warn; warn(0, 0, 0, 0, False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "superuser" not in done.stderr
