"""A writer of the test's own: another process, on the test database."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from tests.e2e.service import BASE_DIR
from tests.jottings.write_functions import texts
from tests.waiting import until
from workers import queue_status, submit
from workers.testing import LiveWriterUnavailable, live_writer
from workers.up.embedded_redis import responds

KILLED = """
import os, signal
import tests.isolation
import django; django.setup()
from django.core.management import call_command
from workers import Role, queue_status, set_role
from workers.testing import live_writer
set_role(Role.COMMAND)
call_command("migrate", verbosity=0)
with live_writer():
    print(queue_status().writer.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(name="live")
def _live(live_writer: None) -> None:
    """Under another name: `live_writer` is also what the package calls it."""


def test_a_real_writer_commits_for_the_test(live: None) -> None:
    status = queue_status()
    client = APIClient()
    client.force_authenticate(User(pk=1, is_active=True))

    responses = [client.post("/api/jottings/", {"text": text}) for text in "ab"]
    outcome = submit("jottings.add_then_reject", {"text": "c"}).wait(10)

    assert status.writer is not None
    assert [response.status_code for response in responses] == [201, 201]
    assert outcome is not None and outcome.http_status == 409
    assert texts() == ["a", "b"]


def test_nothing_of_it_is_left_when_the_test_is_over(transactional_db: None, settings: Any) -> None:
    with live_writer():
        path = Path(settings.REDIS_URL.removeprefix("unix://").partition("?")[0])
        writer = queue_status().writer
        assert writer is not None
        assert responds(path)
        assert submit("jottings.add", {"data": {"text": "a"}}).wait(10) is not None

    assert not responds(path)
    assert not path.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(writer.pid, 0)


@pytest.mark.sqlite  # its cluster would be left behind too
def test_a_test_process_that_is_killed_leaves_no_writer_behind() -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=BASE_DIR, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    def is_gone() -> bool:
        try:
            os.kill(int(killed.stdout), 0)
        except ProcessLookupError:
            return True
        return False

    until(is_gone, seconds=30, what="the writer's end")


def test_a_testcase_is_told_that_it_keeps_the_writer_out(db: None) -> None:
    with pytest.raises(LiveWriterUnavailable, match="use TransactionTestCase"), live_writer():
        pass


@pytest.mark.sqlite  # only SQLite has one
def test_a_database_in_memory_is_named_with_what_to_set(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "is_in_memory_db", lambda: True)

    with pytest.raises(LiveWriterUnavailable, match='"TEST"'), live_writer():
        pass
