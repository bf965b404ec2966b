"""Two stores on one Redis, a test run beside a service, and a store that is replaced while it runs."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until
from workers.up import embedded_redis

APP_TEST = """
from rest_framework.test import APITestCase
from django.contrib.auth import get_user_model

class CreateTest(APITestCase):
    def test_a_post(self):
        self.client.force_authenticate(get_user_model().objects.create_superuser("tester"))
        answer = self.client.post("/api/items/", {"name": "from a test"})
        print("answered", answer.status_code, answer.data["code"])
"""


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    service = make_service()
    service.start_all()
    return service


def test_a_second_service_on_the_same_redis_is_refused_and_neither_writes_the_others_store(
    service: Service, make_service: Callable[..., Service]
) -> None:
    other = make_service(REDIS_URL=f"unix://{embedded_redis.socket_path(service.directory)}")
    other.start("writer")
    other.start("web")
    until(lambda: "state=refused" in other.log("writer"), seconds=20, what="the second writer to be refused")
    until(lambda: other.answers("/health/live"), seconds=20, what="the second web server")

    refused = [other.create(f"second {number}") for number in range(5)]
    accepted = [service.create(f"first {number}") for number in range(5)]

    assert [(answer.status, answer.json()["code"]) for answer in refused] == [
        (503, "stream_of_another_store")
    ] * 5
    assert [answer.status for answer in accepted] == [201] * 5
    assert service.names() == [f"first {number}" for number in range(5)]
    assert other.names() == []
    assert "WRITE_KEY_PREFIX" in other.log("writer")
    assert other.get("/health/ready").status == 503
    assert service.get("/health/ready").status == 200
    doctor = other.manage("doctor", check=False)
    assert doctor.returncode != 0
    assert "stream.owner" in doctor.stdout


def test_a_test_run_beside_a_service_hands_nothing_to_it(service: Service, tmp_path: Path) -> None:
    (tmp_path / "test_of_an_app.py").write_text(APP_TEST)
    run = subprocess.run(
        [PYTHON, "manage.py", "test", "test_of_an_app", "--no-input"],
        env=service.environment | {"PYTHONPATH": str(tmp_path)},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "answered 503 stream_of_another_store" in run.stdout, run.stderr
    assert service.names() == []
    assert service.get("/health/ready").status == 200


def test_a_backup_moved_over_the_running_store_stops_all_acknowledgement_until_a_restart(
    service: Service,
) -> None:
    assert service.create("kept in the backup").status == 201
    store = service.directory / "store.sqlite3"
    backup = service.directory / "backup"
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    assert service.create("later than the backup").status == 201

    os.replace(backup, store)
    answers = [service.create(f"after {number}", headers={"Prefer": "wait=1"}) for number in range(3)]

    # A web process that opens the store anew refuses; one that has it open hands over what is not committed.
    assert {answer.status for answer in answers} <= {202, 503}
    until(lambda: service.get("/health/ready").status == 503, what="the service to say that it is not well")
    assert "Stop the service" in str(service.get("/health/ready").json()["fields"]["store"])
    assert "store.file" in service.manage("doctor", check=False).stderr

    for part in ("web", "writer"):
        service.stop(part)
    for suffix in ("-wal", "-shm"):
        Path(f"{store}{suffix}").unlink(missing_ok=True)
    for part in ("writer", "web"):
        service.start(part)
    until(service.is_ready, seconds=30, what="the service with the backup")
    accepted = [f"after {number}" for number, answer in enumerate(answers) if answer.status == 202]
    until(lambda: service.names() == ["kept in the backup", *accepted], what="what was accepted to be there")
    with service.store() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_second_worker_through_a_link_stands_by(
    service: Service, make_service: Callable[..., Service]
) -> None:
    linked = make_service(REDIS_URL=f"unix://{embedded_redis.socket_path(service.directory)}")
    shutil.rmtree(linked.directory)
    linked.directory.mkdir()
    (linked.directory / "store.sqlite3").symlink_to(service.directory / "store.sqlite3")
    shutil.copy(service.directory / "secret-key", linked.directory)
    linked.start("writer")

    until(lambda: "state=standby" in linked.log("writer"), seconds=20, what="the second worker to stand by")
    service.kill("writer")
    until(lambda: "state=holds-lease" in linked.log("writer"), what="it to take over")

    assert service.create("through the link").status == 201
