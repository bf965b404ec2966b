"""Celery tasks of the project's own run beside the writer, never in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import forks
from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until

SEND = """
import sys
import django; django.setup()
from tests.jottings import tasks
getattr(tasks, sys.argv[1]).apply_async((sys.argv[2],), **({"queue": sys.argv[3]} if sys.argv[3:] else {}))
"""

SUBMIT = """
import sys
import django; django.setup()
from workers import submit
for text in sys.argv[2:]:
    submit("jottings.add_and_tell", {"directory": sys.argv[1], "text": text}).wait(10)
"""

OTHER_APP = """
import project
from celery import Celery
from celery.apps.worker import Worker
worker = Worker(app=Celery("other", broker="memory://"), pool="prefork", concurrency=2)
print("made", worker.pool_cls.__module__)
"""

WORKER = [PYTHON, "-m", "celery", "--quiet", "-A", "project", "worker", "--loglevel", "INFO"]


def send(service: Service, *arguments: str) -> None:
    forks.run([PYTHON, "-c", SEND, *arguments], env=service.environment, cwd=BASE_DIR, check=True)


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    service = make_service(DJANGO_SETTINGS_MODULE="tests.settings")
    service.start_all()
    return service


def start_worker(service: Service, *flags: str, name: str = "tasks") -> None:
    with (service.directory / f"{name}.log").open("ab") as log:
        service.processes[name] = forks.start(
            [*WORKER, "--hostname", f"{name}@%h", *flags],
            env=service.environment,
            cwd=BASE_DIR,
            stdout=log,
            stderr=log,
            new_session=True,
        )


@pytest.mark.parametrize("queue", [(), ("writer",)], ids=["default queue", "sent to the writer by mistake"])
def test_a_long_task_runs_in_a_worker_of_its_own_while_writes_are_committed(
    service: Service, tmp_path: Path, queue: tuple[str, ...]
) -> None:
    send(service, "hold", str(tmp_path), *queue)
    assert service.create("before any worker for tasks").status == 201
    start_worker(service, "--exclude-queues", "writer", "--pool", "prefork", "--concurrency", "1")
    holder = until(lambda: (tmp_path / "held-by").exists() and (tmp_path / "held-by").read_text(), seconds=20)

    answers = [service.create(f"beside it {number}").status for number in range(5)]
    send(service, "write", str(tmp_path))
    (tmp_path / "go-on").touch()
    until((tmp_path / "outcome").exists, seconds=20)

    assert answers == [201] * 5
    assert int(holder) != service.processes["writer"].pid
    assert (tmp_path / "outcome").read_text() == "committed"
    assert service.rows("SELECT name FROM jottings_topic") == [("from a task",)]
    assert "writer state=" not in service.log("tasks")
    assert ("state=sent-on task=jottings.hold" in service.log("writer")) is bool(queue)


def test_a_task_that_a_hook_sends_runs_in_its_own_worker_once_its_write_is_committed(
    service: Service, tmp_path: Path
) -> None:
    start_worker(service, "--exclude-queues", "writer", "--pool", "prefork", "--concurrency", "1")

    command = [PYTHON, "-c", SUBMIT, str(tmp_path), "rejected", "first", "second"]
    forks.run(command, env=service.environment, cwd=BASE_DIR, check=True)
    lines = until(lambda: (seen := _lines(tmp_path / "seen"))[1:] and seen, seconds=20)

    assert [line.split()[1:] for line in lines] == [["first", "1"], ["second", "1"]]
    assert str(service.processes["writer"].pid) not in {line.split()[0] for line in lines}
    assert "state=sent-on" not in service.log("writer")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_worker_for_other_queues_is_neither_writer_nor_standby_whatever_its_pool(
    service: Service, tmp_path: Path
) -> None:
    start_worker(service, "-Q", "default", "--pool", "solo", "--concurrency", "1")
    service.kill("writer")
    send(service, "write", str(tmp_path))
    until((tmp_path / "written").exists, seconds=20)

    assert "writer state=" not in service.log("tasks")
    assert service.create("nobody writes", headers={"Prefer": "respond-async"}).status == 202
    assert service.names() == []
    assert service.rows("SELECT name FROM jottings_topic") == [("from a task",)]


def test_a_worker_that_would_take_other_messages_beside_the_writers_is_refused(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    run = forks.run(
        [*WORKER, "-Q", "writer,mails"],
        env=service.environment,
        cwd=BASE_DIR,
        timeout=30,
    )

    assert run.returncode != 0
    assert "-Q writer alone" in run.stderr
    assert "-Q mails" in run.stderr


def test_a_worker_of_another_celery_app_is_not_concerned(make_service: Callable[..., Service]) -> None:
    run = forks.run(
        [PYTHON, "-c", OTHER_APP],
        env=make_service().environment,
        cwd=BASE_DIR,
        timeout=30,
    )

    assert "made celery.concurrency.prefork" in run.stdout, run.stderr
