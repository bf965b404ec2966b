"""Commands take turns with the writer, and nobody writes beside it."""

import os
import pty
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.e2e.service import BASE_DIR, PYTHON, Answer, Service
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


class Load:
    """Creates items from several threads until it is stopped; keeps every answer."""

    def __init__(self, service: Service, clients: int = 4) -> None:
        self._service = service
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self.answers: list[Answer] = []
        self._futures = [self._pool.submit(self._run, client) for client in range(clients)]

    def _run(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self.answers.append(self._service.create(f"{client}-{number}"))

    def stop(self) -> None:
        self._stop.set()
        for future in self._futures:
            future.result()
        self._pool.shutdown()


def test_commands_that_write_succeed_under_load_and_no_client_sees_an_error(service: Service) -> None:
    load = Load(service)
    until(lambda: len(load.answers) > 20, what="some load")

    service.manage("createsuperuser", "--noinput", "--username", "root2", "--email", "root@example.com")
    service.manage("migrate")
    service.manage("shell", "-c", "from items.models import Item; Item.objects.filter(name='0-1').delete()")
    seen = len(load.answers)
    until(lambda: len(load.answers) > seen + 20, what="load after the commands")
    load.stop()

    assert {answer.status for answer in load.answers} <= {201, 202}
    until(lambda: service.redis().xlen("writes:stream") == 0, what="the stream to be drained")
    assert len(service.names()) == len(load.answers) - 1
    assert service.rows("SELECT username FROM auth_user WHERE username = 'root2'") == [("root2",)]
    assert service.log("writer").count("state=gave-lease-back reason=pause") >= 2


def test_a_command_that_only_reads_does_not_pause_the_writer(service: Service) -> None:
    service.manage("showmigrations")
    service.manage("shell", "-c", "from items.models import Item; print(Item.objects.count())")

    assert "gave-lease-back" not in service.log("writer")


def test_with_no_pause_a_command_writes_nothing_beside_a_writer(service: Service) -> None:
    done = service.manage(
        "createsuperuser", "--noinput", "--username", "x", "--email", "", "--no-pause", check=False
    )

    assert done.returncode == 1
    assert "--no-pause forbids" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert service.rows("SELECT * FROM auth_user WHERE username = 'x'") == []


def test_a_writer_that_cannot_pause_in_time_is_named_and_nothing_is_written(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(WRITE_PAUSE_TIMEOUT_SECONDS="1")
    service.start_all()
    service.signal("writer", SIGSTOP)

    done = service.manage("createsuperuser", "--noinput", "--username", "x", "--email", "", check=False)
    service.signal("writer", SIGCONT)

    assert done.returncode == 1
    assert "did not pause within 1 s. Nothing was written" in done.stderr
    assert service.rows("SELECT * FROM auth_user WHERE username = 'x'") == []
    until(lambda: service.create("after").status == 201)


def test_a_command_that_is_killed_gives_the_lease_back(service: Service) -> None:
    script = """
from django.contrib.auth.models import Group
from django.db import transaction
import time
with transaction.atomic():
    Group.objects.create(name="never")
    print("in", flush=True)
    time.sleep(60)
"""
    command = subprocess.Popen(
        [PYTHON, "manage.py", "shell", "--no-imports", "-c", script],
        env=service.environment,
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    output = command.stdout
    assert output is not None
    assert output.readline() == "in\n"
    waiting = service.create("accepted meanwhile", headers={"Prefer": "respond-async"})
    assert waiting.status == 202

    command.kill()
    command.wait(10)
    output.close()

    until(lambda: service.names() == ["accepted meanwhile"], what="the commit")
    assert service.rows("SELECT * FROM auth_group") == []


def test_writes_that_were_accepted_during_a_command_are_committed_in_order(service: Service) -> None:
    script = """
import sys
from django.contrib.auth.models import Group
Group.objects.create(name="mine")
print("in", flush=True)
sys.stdin.read()
"""
    holder = subprocess.Popen(
        [PYTHON, "manage.py", "shell", "--no-imports", "-c", script],
        env=service.environment,
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    names = [f"meanwhile {number}" for number in range(10)]
    answers = [service.create(name, headers={"Prefer": "respond-async"}) for name in names]

    assert service.names() == []
    holder.communicate("")

    assert {answer.status for answer in answers} == {202}
    until(lambda: service.names() == names, what="the commits, in order")


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

    assert service.log("writer").count("state=holds-lease") == 2  # the one that was stopped, and one of these
    assert service.create("by one of them").status == 201


def test_a_frozen_writer_that_wakes_up_never_writes_beside_another(service: Service) -> None:
    frozen = service.processes["writer"]
    service.signal("writer", SIGSTOP)
    service.processes["frozen"] = service.processes.pop("writer")
    service.start("writer")
    until(lambda: "state=standby" in service.log("writer"), what="the second worker to stand by")
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


@contextmanager
def at_a_terminal(service: Service, *arguments: str) -> Iterator[Callable[[str], int]]:
    """Run a command at a terminal of its own; the value types a line."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [PYTHON, "manage.py", *arguments],
        env=service.environment | {"TERM": "dumb"},
        cwd=BASE_DIR,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        # Somebody must read what it says, or it waits for that.
        reader = threading.Thread(target=_drain, args=(controller,), daemon=True)
        reader.start()
        try:
            yield lambda line: os.write(controller, f"{line}\n".encode())
        finally:
            process.kill()
            process.wait()
            os.close(controller)


def _drain(controller: int) -> None:
    with suppress(OSError):  # what Linux answers once the other side is closed
        while os.read(controller, 4096):
            pass


def item(name: str) -> str:
    return (
        "from items.models import Item; from django.utils import timezone as t; "
        f"Item.objects.create(name={name!r}, created_at=t.now(), updated_at=t.now())"
    )


def test_an_open_shell_that_has_written_does_not_keep_anybody_waiting(service: Service) -> None:
    with at_a_terminal(service, "shell") as type_in:
        for number in range(2):
            type_in(item(f"typed {number}"))
            until(lambda: f"typed {number}" in service.names(), seconds=20, what="the shell to write")  # noqa: B023
            until(lambda: service.create("beside the open shell").status == 201, seconds=20)
            assert service.create("and another").status == 201


LOOP = """
import os, sys, time
from pathlib import Path
import django; django.setup()
from workers import Role, set_role
set_role(Role.COMMAND)
from django.utils import timezone as t
from items.models import Item
for number in range(3):
    Item.objects.create(name=f"now and then {number}", created_at=t.now(), updated_at=t.now())
    sys.stdin.readline()
"""


def test_a_program_that_writes_now_and_then_keeps_nobody_waiting_in_between(service: Service) -> None:
    with subprocess.Popen(
        [PYTHON, "-c", LOOP], env=service.environment, cwd=BASE_DIR, stdin=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        for number in range(3):
            until(lambda: f"now and then {number}" in service.names(), seconds=20)  # noqa: B023
            until(lambda: service.create("in between").status == 201, seconds=20)
            program.stdin.write("\n")
            program.stdin.flush()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 client on this machine")
def test_dbshell_reads_and_writes_only_with_the_lease(service: Service) -> None:
    assert service.create("kept").status == 201
    read = service.manage("dbshell", "--", "SELECT name FROM items_item")
    refused = service.manage("dbshell", "--", "DELETE FROM items_item", check=False)
    assert "kept" in read.stdout
    assert refused.returncode != 0
    assert service.names() == ["kept"]

    service.manage("dbshell", "--write", "--", "DELETE FROM items_item")

    assert service.names() == []
    until(lambda: service.create("after it").status == 201, seconds=10)
