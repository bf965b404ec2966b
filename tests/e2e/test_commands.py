"""Commands write beside a live service: each transaction with the store lock, and nobody sees an error."""

import json
import os
import pty
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import django
import pytest

from tests import forks
from tests.e2e.service import BASE_DIR, PYTHON, Answer, Service
from tests.waiting import until

NO_WAIT = {"Prefer": "respond-async"}


class Load:
    """Creates items from several threads until it is stopped; keeps every answer."""

    def __init__(self, service: Service, clients: int = 4, name: str = "") -> None:
        self._service = service
        self._name = name
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self.answers: list[Answer] = []
        self._futures = [self._pool.submit(self._run, client) for client in range(clients)]

    def _run(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self.answers.append(self._service.create(f"{self._name}{client}-{number}"))

    def stop(self) -> None:
        self._stop.set()
        for future in self._futures:
            future.result()
        self._pool.shutdown()


def items_named(service: Service, start: str) -> list[str]:
    return [name for name in service.names() if name.startswith(start)]


def groups(service: Service) -> set[str]:
    return {name for (name,) in service.rows("SELECT name FROM auth_group")}


def item(name: str) -> str:
    return (
        "from items.models import Item; from django.utils import timezone as t; "
        f"Item.objects.create(name={name!r}, created_at=t.now(), updated_at=t.now())"
    )


HOLD = """
import sys
from django.contrib.auth.models import Group
from django.db import transaction
with transaction.atomic():
    Group.objects.create(name=GROUP)
    print("in", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def open_transaction(service: Service, group: str) -> Iterator[forks.Talking]:
    """Run a shell that has written a group, and commits it when it is given a line."""
    script = HOLD.replace("GROUP", repr(group))
    command = [PYTHON, "manage.py", "shell", "--no-imports", "-c", script]
    with forks.talking(command, env=service.environment, cwd=BASE_DIR) as said:
        assert said.stdout.readline() == "in\n"
        yield said


def let_go_on(command: forks.Talking) -> None:
    command.stdin.write("\n")
    command.stdin.flush()
    assert command.wait(20) == 0


@contextmanager
def load_that_sees_no_error(service: Service, name: str) -> Iterator[None]:
    """Have clients create items while the block runs, and find each of them in the store."""
    load = Load(service, clients=2, name=name)
    try:
        until(lambda: len(load.answers) > 10, what="some load")
        yield
        seen = len(load.answers)
        until(lambda: len(load.answers) > seen + 10, seconds=30, what="load after the commands")
    finally:
        load.stop()
    assert {answer.status for answer in load.answers} <= {201, 202}
    service.until_acknowledged()
    assert len(items_named(service, name)) == len(load.answers)
    assert "gave-lease-back" not in service.log("writer"), "the writer stays the writer"


def test_commands_that_write_succeed_under_load_and_no_client_sees_an_error(
    service: Service, tmp_path: Path
) -> None:
    fixture = tmp_path / "groups.json"
    fixture.write_text(json.dumps([{"model": "auth.group", "pk": 77, "fields": {"name": "from a fixture"}}]))

    with load_that_sees_no_error(service, "beside commands "):
        service.manage("createsuperuser", "--noinput", "--username", "root2", "--email", "root@example.com")
        service.manage("loaddata", str(fixture))
        service.manage("shell", "-c", item("by a shell"))

    assert service.rows("SELECT username FROM auth_user WHERE username = 'root2'") == [("root2",)]
    assert "from a fixture" in groups(service)
    assert items_named(service, "by a shell") == ["by a shell"]


def test_migrations_take_and_make_tables_under_load_and_no_client_sees_an_error(service: Service) -> None:
    with load_that_sees_no_error(service, "beside migrations "):
        service.manage("migrate", "jottings", "zero")
        service.manage("migrate")

    assert service.post("/api/jottings/", {"text": "after the migration"}).status == 201


def test_writes_that_come_during_a_transaction_are_committed_after_it_in_order(service: Service) -> None:
    names = [f"meanwhile {number}" for number in range(10)]
    with open_transaction(service, "a shell's") as command:
        answers = [service.create(name, headers=NO_WAIT) for name in names]
        # Who reads waits for nobody.
        assert "[X] 0001_initial" in service.manage("showmigrations", "items").stdout
        assert service.get("/api/items/").status == 200

        assert items_named(service, "meanwhile") == []
        assert "a shell's" not in groups(service)
        let_go_on(command)

    assert {answer.status for answer in answers} == {202}
    until(lambda: items_named(service, "meanwhile") == names, what="the commits, in order")
    assert "a shell's" in groups(service)


def test_a_command_that_is_killed_in_its_transaction_keeps_nobody_waiting(service: Service) -> None:
    with open_transaction(service, "never") as command:
        assert service.create("after the kill", headers=NO_WAIT).status == 202
        assert items_named(service, "after the kill") == []

        command.kill()
        command.wait(10)

        until(lambda: items_named(service, "after the kill"), what="the commit")
    assert "never" not in groups(service)


def test_a_command_that_is_stopped_in_its_transaction_is_named_until_it_goes_on(service: Service) -> None:
    with open_transaction(service, "stopped") as command:
        command.send_signal(SIGSTOP)
        name = f"manage.py shell (pid {command.pid}"

        first = service.create("waits 1", headers={"Prefer": "wait=1"})
        second = service.create("waits 2", headers=NO_WAIT)

        def why_not_ready() -> str:
            ready = service.get("/health/ready")
            return "" if ready.status == 200 else str(ready.json()["fields"].get("store"))

        until(lambda: name in why_not_ready(), what="ready to name the command")
        doctor = service.manage("doctor", "--json", check=False)
        found = {finding["name"]: finding for finding in json.loads(doctor.stdout)["findings"]}
        assert (first.status, second.status) == (202, 202)
        assert items_named(service, "waits") == []
        assert found["store.lock"]["level"] == "warning"
        assert name in found["store.lock"]["msg"]
        assert f"kill {command.pid}" in found["store.lock"]["hint"]
        until(lambda: f"pid={command.pid}" in service.log("writer"), what="the log to name it")
        assert "stopped=True" in service.log("writer")
        status = service.manage("writer_status", check=False)
        assert status.returncode == 1
        assert f"2 accepted writes wait: {name}" in status.stderr

        command.send_signal(SIGCONT)
        let_go_on(command)

    until(lambda: items_named(service, "waits") == ["waits 1", "waits 2"], what="the commits, in order")
    until(service.is_ready, what="ready again")
    assert "stopped" in groups(service)


def test_ready_names_a_stopped_command_also_while_nothing_is_to_be_written(service: Service) -> None:
    with open_transaction(service, "stopped at leisure") as command:
        command.send_signal(SIGSTOP)

        def is_named() -> bool:
            ready = service.get("/health/ready")
            return ready.status == 503 and f"(pid {command.pid}" in str(ready.json()["fields"]["store"])

        until(is_named, what="ready to name the command")
    until(service.is_ready, what="ready again")


def test_a_writer_that_starts_while_a_command_writes_begins_after_it_and_names_it(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    service.start_all()
    service.stop("writer")
    with open_transaction(service, "before the writer") as command:
        name = f"manage.py shell (pid {command.pid}"
        service.start("writer")
        waiting = service.create("for the writer", headers=NO_WAIT)

        until(lambda: f'reason="{name}' in service.log("writer"), seconds=20, what="the writer to be refused")
        ready = service.get("/health/ready")
        status = service.manage("writer_status", check=False)
        assert ready.status == 503
        assert f"{name}" in ready.json()["fields"]["writer"][0]
        assert status.returncode == 1
        assert f"{name}" in status.stderr
        let_go_on(command)

    assert waiting.status == 202
    until(lambda: service.names() == ["for the writer"], what="the writer to begin")
    until(service.is_ready, what="ready again")


def test_a_command_that_has_waited_for_too_long_names_whom_it_waited_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "settings", {"WRITE_LOCK_WAIT_SECONDS": "1"})
    with open_transaction(service, "in the way") as command:
        done = service.manage("createsuperuser", "--noinput", "--username", "x", "--email", "", check=False)
        let_go_on(command)

    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith(f"manage.py: manage.py shell (pid {command.pid}, since ")
    assert "Nothing was written." in done.stderr
    assert service.rows("SELECT * FROM auth_user WHERE username = 'x'") == []


def test_commands_write_without_redis_and_without_a_writer(make_service: Callable[..., Service]) -> None:
    service = make_service()

    service.manage("migrate")
    service.manage("createsuperuser", "--noinput", "--username", "alone", "--email", "")
    service.manage("shell", "-c", item("before the service"))

    assert service.rows("SELECT username FROM auth_user WHERE username = 'alone'") == [("alone",)]
    service.start_all()
    assert service.create("with the service").status == 201
    assert service.names() == ["before the service", "with the service"]


def test_the_manage_py_that_django_makes_writes_beside_the_service(service: Service, tmp_path: Path) -> None:
    template = Path(django.__file__).parent / "conf" / "project_template" / "manage.py-tpl"
    own = tmp_path / "manage.py"
    own.write_text(template.read_text().replace("{{ project_name }}", "project"))
    arguments = ["createsuperuser", "--noinput", "--username", "unmodified", "--email", ""]

    for command in (["migrate"], arguments):
        subprocess.run(
            [PYTHON, str(own), *command],
            env=service.environment | {"PYTHONPATH": str(BASE_DIR)},
            cwd=tmp_path,
            check=True,
            timeout=120,
        )

    assert service.rows("SELECT username FROM auth_user WHERE username = 'unmodified'") == [("unmodified",)]
    assert service.create("beside another manage.py").status == 201


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


def test_an_open_shell_that_has_written_does_not_keep_anybody_waiting(service: Service) -> None:
    with at_a_terminal(service, "shell") as type_in:
        for number in range(2):
            type_in(item(f"typed {number}"))
            until(lambda: f"typed {number}" in service.names(), seconds=20, what="the shell to write")  # noqa: B023
            assert service.create("beside the open shell").status == 201


LOOP = """
import sys
import django; django.setup()
from django.utils import timezone as t
from items.models import Item
for number in range(3):
    Item.objects.create(name=f"now and then {number}", created_at=t.now(), updated_at=t.now())
    sys.stdin.readline()
"""


def test_a_program_that_writes_now_and_then_keeps_nobody_waiting_in_between(service: Service) -> None:
    with forks.talking([PYTHON, "-c", LOOP], env=service.environment, cwd=BASE_DIR) as program:
        for number in range(3):
            until(lambda: f"now and then {number}" in service.names(), seconds=20)  # noqa: B023
            assert service.create("in between").status == 201
            program.stdin.write("\n")
            program.stdin.flush()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 client on this machine")
def test_dbshell_reads_beside_others_and_writes_only_with_the_lock(service: Service) -> None:
    assert service.create("kept").status == 201
    with open_transaction(service, "beside dbshell") as command:
        read = service.manage("dbshell", "--", "SELECT name FROM items_item")
        let_go_on(command)
    delete = "DELETE FROM items_item WHERE name = 'kept'"
    refused = service.manage("dbshell", "--", delete, check=False)
    assert "kept" in read.stdout
    assert refused.returncode != 0
    assert items_named(service, "kept") == ["kept"]

    service.manage("dbshell", "--write", "--", delete)

    assert items_named(service, "kept") == []
    assert service.create("after it").status == 201
