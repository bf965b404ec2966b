import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.up.run_lock import AlreadyRunning, RunLock

URL = "http://127.0.0.1:8000"


def test_a_second_up_is_told_who_is_running(tmp_path: Path) -> None:
    with (
        RunLock(tmp_path).held(url=URL, orphans_seconds=0, say=lambda text: None),
        pytest.raises(AlreadyRunning) as caught,
    ):
        RunLock(tmp_path).held(url="", orphans_seconds=0, say=lambda text: None).__enter__()

    assert f"pid {os.getpid()}, since 20" in str(caught.value)
    assert str(caught.value).endswith(f"at {URL}")


def test_the_next_up_gets_the_lock_once_the_first_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with RunLock(tmp_path).held(url=URL, orphans_seconds=0, say=lambda text: None):
            pass


def test_a_lock_file_without_content_still_gives_a_clear_message(tmp_path: Path) -> None:
    with (tmp_path / "up.lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        with pytest.raises(AlreadyRunning, match="Another `up` is running"):
            RunLock(tmp_path).held(url=URL, orphans_seconds=0, say=lambda text: None).__enter__()


def _leave_a_process_behind(data_dir: Path, program: str) -> "subprocess.Popen[bytes]":
    lock = RunLock(data_dir)
    with (
        pytest.raises(ZeroDivisionError),
        lock.held(url=URL, orphans_seconds=0, say=lambda text: None) as held,
    ):
        process = subprocess.Popen(
            [sys.executable, "-c", program], pass_fds=[held], start_new_session=True, stdin=subprocess.PIPE
        )
        lock.note_process("redis", process.pid)
        raise ZeroDivisionError  # the end of an `up` that did not get to stop its processes
    return process


def test_processes_that_outlive_their_up_are_named_when_they_do_not_end_in_time(tmp_path: Path) -> None:
    process = _leave_a_process_behind(tmp_path, "import sys; sys.stdin.read()")

    with process, pytest.raises(AlreadyRunning) as caught:
        RunLock(tmp_path).held(url=URL, orphans_seconds=0.2, say=lambda text: None).__enter__()

    assert f"redis (pid {process.pid}). Stop them with: kill -- -{process.pid}" in str(caught.value)


def test_a_new_up_waits_for_processes_that_outlive_the_former_to_end(tmp_path: Path) -> None:
    process = _leave_a_process_behind(tmp_path, "import sys; sys.stdin.read()")
    said: list[str] = []

    def end_the_process(text: str) -> None:
        said.append(text)
        assert process.stdin is not None
        process.stdin.close()

    with process, RunLock(tmp_path).held(url=URL, orphans_seconds=10, say=end_the_process):
        pass

    assert said == [f"Waiting for what an `up` that was killed has left to end: redis (pid {process.pid})."]
