import os
import signal
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.jottings.write_functions import texts
from tests.waiting import until
from tests.workers.writer_process import WRITER, lock_held, running, store_path
from workers import submit
from workers.operations import pause
from workers.store import identity
from workers.store.holder import Holder
from workers.store.lease import Lease, is_held
from workers.stream import heartbeat, keys, pauses

pytestmark = pytest.mark.django_db(transaction=True)


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def lease_is_held() -> bool:
    return is_held(Path(f"{store_path()}.lease"))


@pytest.fixture
def writer_pid(clean_redis: redis.Redis, transactional_db: None) -> Iterator[int]:
    """A writer at work in a process of its own."""
    with running(WRITER) as process:
        until(lambda: heartbeat.read(clean_redis) is not None, seconds=30, what="the writer to be at work")
        yield process.pid


def test_after_pause_the_writer_has_let_the_store_go(writer_pid: int, clean_redis: redis.Redis) -> None:
    said = run("pause", "--seconds=60")

    assert not lease_is_held()
    assert heartbeat.read(clean_redis) is None
    if Path("/proc/self/fd").exists():
        opened = {os.path.realpath(file) for file in Path(f"/proc/{writer_pid}/fd").iterdir()}
        # But for the store lock, which it does not hold.
        assert {path for path in opened if path.startswith(f"{store_path()}")} <= {f"{store_path()}.lock"}
    assert said.startswith("The writer has given the lease back. Paused until ")
    assert "End it earlier with `manage.py resume`." in said


def test_what_is_accepted_during_a_pause_is_committed_after_resume(writer_pid: int) -> None:
    run("pause")
    submission = submit("jottings.add", {"data": {"text": "meanwhile"}})
    submission.accepted()
    assert texts() == []

    said = run("resume")

    until(lambda: texts() == ["meanwhile"])
    assert (
        said == f"The pause is withdrawn. The writer is at work: pid {writer_pid} on {os.uname().nodename}.\n"
    )


def test_a_pause_ends_by_itself(writer_pid: int, clean_redis: redis.Redis) -> None:
    run("pause", "--seconds=1")

    until(lambda: heartbeat.read(clean_redis) is not None, what="the writer to be at work again")
    assert pauses.requested(clean_redis) is None


def test_a_pause_without_a_writer_says_so_and_holds_for_one_that_starts(clean_redis: redis.Redis) -> None:
    said = run("pause", "--seconds=90")

    assert said.startswith("No writer is at work; one that starts stays paused. Paused until ")
    pause = pauses.requested(clean_redis)
    assert pause is not None
    assert 80 < clean_redis.ttl(keys.pause()) <= 90


def test_a_writer_that_does_not_let_go_in_time_is_an_error_and_the_pause_holds(
    writer_pid: int, clean_redis: redis.Redis
) -> None:
    os.kill(writer_pid, signal.SIGSTOP)

    with (
        override_settings(WRITE_PAUSE_TIMEOUT_SECONDS=0.2),
        pytest.raises(
            CommandError,
            match=rf"writer \(pid {writer_pid}, since .*\) did not give .* 0.2 s.*kill that",
        ),
    ):
        run("pause")

    os.kill(writer_pid, signal.SIGCONT)
    until(lambda: not lease_is_held(), what="the writer to pause as soon as it can")


def test_a_frozen_writer_without_heartbeat_has_not_let_go(writer_pid: int, clean_redis: redis.Redis) -> None:
    os.kill(writer_pid, signal.SIGSTOP)
    clean_redis.delete(keys.heartbeat())

    assert pause.writer_holds_lease()


@pytest.mark.sqlite  # it locks the lock's file
def test_a_command_that_writes_does_not_keep_pause_waiting(clean_redis: redis.Redis) -> None:
    with lock_held("manage.py migrate") as command:
        said = run("pause")

    assert said.startswith("No writer is at work")
    assert f"The store is not at rest: manage.py migrate (pid {command.pid}, since " in said


def test_resume_without_a_pause_says_so(writer_pid: int) -> None:
    assert run("resume").startswith(f"There was no pause. The writer is at work: pid {writer_pid} on ")


def test_resume_without_a_writer_withdraws_the_pause_and_says_what_to_do(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "RESUME_SECONDS", 0.1)
    run("pause")

    with pytest.raises(CommandError, match=r"but no writer began .* Start one with `manage.py up`"):
        run("resume")

    assert pauses.requested(clean_redis) is None


STRANGER = "0" * 32 + ":1:2"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_another_stores_writer_is_left_alone(clean_redis: redis.Redis, command: str) -> None:
    clean_redis.hset(keys.owner(), mapping={"store": STRANGER, "path": "/other/store.sqlite3", "host": "h"})
    asked = pauses.Pause(by="its own operator", until=2e9)
    pauses.request(clean_redis, asked, seconds=60)

    with pytest.raises(CommandError, match=r"belongs to another store, at /other/store\.sqlite3 on h"):
        run(command)

    assert pauses.requested(clean_redis) == asked


def test_a_store_that_was_put_in_the_place_of_the_former_file_is_no_strangers(
    clean_redis: redis.Redis,
) -> None:
    former = f"{identity.current().identity}:1:2"
    clean_redis.hset(keys.owner(), "store", former)
    assert run("pause", "--seconds=60").startswith("No writer is at work")

    clean_redis.hset(keys.owner(), "path", "/where/it/was.sqlite3")
    assert run("pause", "--seconds=60").startswith("No writer is at work")


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_without_redis_the_error_names_the_next_step(command: str) -> None:
    with (
        override_settings(REDIS_URL="unix:///nowhere/redis.sock"),
        pytest.raises(
            CommandError, match=r"Redis does not respond: (.|\n)*\nWhether.*Start Redis|\nStart Redis"
        ),
    ):
        run(command)


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "1.5", "3601"])
def test_a_length_that_makes_no_sense_is_refused(seconds: str) -> None:
    with pytest.raises(CommandError, match="use a whole number of seconds from 1 to 3600"):
        run("pause", f"--seconds={seconds}")


def test_looking_at_the_lease_neither_makes_its_file_nor_forgets_its_last_holder(tmp_path: Path) -> None:
    path = tmp_path / "store.lease"

    assert not is_held(path)
    assert not path.exists()

    path.write_text('{"pid": 1, "purpose": "writer"}')
    assert not is_held(path)
    assert Lease(path).holder() == Holder(pid=1, purpose="writer", since=None)
