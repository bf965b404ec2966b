import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import forks
from tests.waiting import until
from workers.up.process import BackOff, describe_exit

ROOT = Path(__file__).resolve().parents[3]

#: Python programs for toy processes.
RUN_ON = "import signal; signal.pause()"
#: Says that it makes progress while a file is there, by sd_notify(3).
WORK_WHILE = """
import os, socket, time
said = False
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    while True:
        if os.path.exists({flag!r}):
            notify.sendto(b"READY=1\\nWATCHDOG=1", os.environ["NOTIFY_SOCKET"])
            said = said or print("works") is None
        time.sleep(0.02)
"""
IGNORE_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); signal.pause()"


class Supervised:
    """A supervisor in a process of its own, and what it has printed so far."""

    def __init__(self, processes: list[dict[str, Any]], output: Path) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = forks.start(
                [sys.executable, "-m", "tests.workers.up.supervised", json.dumps(processes)],
                cwd=ROOT,
                env=os.environ,
                stdout=file,
                stderr=file,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def says(self, text: str, *, times: int = 1) -> bool:
        return until(lambda: self.output.count(text) >= times, seconds=15, what=text)

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"started: {name} (\d+)", self.output)]

    def end(self) -> int:
        return self.process.wait(timeout=15)


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    started: list[Supervised] = []

    def start(*processes: dict[str, Any]) -> Supervised:
        started.append(Supervised(list(processes), tmp_path / f"output-{len(started)}"))
        return started[-1]

    yield start
    for supervised in started:
        supervised.process.kill()
        supervised.process.wait()
        for pid in map(int, re.findall(r"started: \w+ (\d+)", supervised.output)):
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()


def process(name: str, program: str = RUN_ON, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": [sys.executable, "-c", program], **fields}


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_first_death_costs_no_delay_and_further_ones_double_it_up_to_five_seconds() -> None:
    back_off = BackOff()

    delays = [back_off.after(ran_seconds=1) for _ in range(9)]

    assert delays == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]


def test_a_process_that_ran_stable_is_started_again_at_once() -> None:
    back_off = BackOff()
    for _ in range(100):
        back_off.after(ran_seconds=1)

    assert back_off.after(ran_seconds=30) == 0
    assert back_off.after(ran_seconds=1) == 0.1


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit status 0"), (3, "exit status 3"), (-9, "killed by SIGKILL"), (-64, "killed by SIGRTMAX")],
)
def test_an_end_is_described_by_status_or_signal(status: int, words: str) -> None:
    assert describe_exit(status) == words


def test_processes_start_one_after_the_other_as_each_becomes_ready(
    supervise: Supervise, tmp_path: Path
) -> None:
    flag = tmp_path / "first-is-ready"
    supervised = supervise(process("first", ready=str(flag)), process("second"))
    assert supervised.says("started: first")
    assert "started: second" not in supervised.output

    flag.touch()

    assert supervised.says("ready: []")
    assert supervised.output.index("started: first") < supervised.output.index("started: second")


def test_a_process_that_is_not_ready_holds_up_the_next_no_longer_than_its_deadline(
    supervise: Supervise, tmp_path: Path
) -> None:
    supervised = supervise(process("slow", ready=str(tmp_path / "never"), ready_seconds=0.2), process("next"))

    assert supervised.says('ready: ["slow"]')
    assert "slow is not ready after 0.2 s; going on" in supervised.output
    assert len(supervised.pids("next")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_the_processes_in_reverse_order_and_exits_0(
    supervise: Supervise, number: signal.Signals
) -> None:
    supervised = supervise(process("redis"), process("writer"), process("web"))
    assert supervised.says("ready:")

    supervised.process.send_signal(number)

    assert supervised.end() == 0
    assert re.findall(r"up     \| (stopping \w+|\w+ stopped)", supervised.output) == [
        *("stopping web", "web stopped"),
        *("stopping writer", "writer stopped"),
        *("stopping redis", "redis stopped"),
    ]


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace_period(supervise: Supervise) -> None:
    supervised = supervise(process("deaf", IGNORE_SIGTERM, grace_seconds=0.2))
    assert supervised.says("deaf | deaf")

    supervised.process.terminate()

    assert supervised.end() == 0
    assert "deaf did not stop within 0.2 s; killing it" in supervised.output
    assert "deaf stopped (killed by SIGKILL)" in supervised.output


def test_the_second_signal_kills_everything_at_once(supervise: Supervise) -> None:
    supervised = supervise(process("quiet"), process("deaf", IGNORE_SIGTERM, grace_seconds=60))
    assert supervised.says("deaf  | deaf")

    supervised.process.terminate()
    assert supervised.says("stopping deaf")

    def ends_when_signalled_again() -> bool:
        if not is_gone(supervised.pids("deaf")[0]):
            supervised.process.terminate()
            return False
        return True

    until(ends_when_signalled_again, seconds=15)
    # The last of many signals may come when nothing is left to stop.
    assert supervised.end() in {1, -signal.SIGTERM}
    assert is_gone(supervised.pids("deaf")[0])
    assert is_gone(supervised.pids("quiet")[0])


def test_signals_that_come_together_are_one(supervise: Supervise) -> None:
    supervised = supervise(process("quiet"), process("deaf", IGNORE_SIGTERM, grace_seconds=0.5))
    assert supervised.says("deaf  | deaf")

    # As `timeout make run` does: the group gets it, and make passes its own on.
    supervised.process.terminate()
    assert supervised.says("stopping deaf")
    supervised.process.terminate()

    assert supervised.end() == 0
    assert "deaf did not stop within 0.5 s; killing it" in supervised.output
    assert "stopping quiet" in supervised.output


def test_a_signal_during_the_start_stops_what_has_started(supervise: Supervise, tmp_path: Path) -> None:
    supervised = supervise(
        process("first", ready=str(tmp_path / "never"), ready_seconds=60), process("second")
    )
    assert supervised.says("started: first")

    supervised.process.terminate()

    assert supervised.end() == 0
    assert supervised.pids("second") == []
    assert "ready:" not in supervised.output


def test_a_killed_process_is_started_again_at_once_and_said_so_while_the_others_run_on(
    supervise: Supervise,
) -> None:
    supervised = supervise(process("victim"), process("bystander"))
    assert supervised.says("ready:")

    os.kill(supervised.pids("victim")[0], signal.SIGKILL)

    assert supervised.says("victim is ready again")
    assert "victim died (killed by SIGKILL); starting it again at once" in supervised.output
    assert len(supervised.pids("victim")) == 2
    assert len(supervised.pids("bystander")) == 1


def test_a_process_that_keeps_dying_is_started_again_ever_later(supervise: Supervise) -> None:
    supervised = supervise(process("broken", "raise SystemExit(3)"))

    assert supervised.says("starting it again in 0.4 s")
    assert re.findall(r"broken died \(exit status 3\); starting it again (.*)", supervised.output)[:4] == [
        "at once",
        "in 0.1 s",
        "in 0.2 s",
        "in 0.4 s",
    ]


def test_a_program_that_does_not_exist_is_named_and_tried_again(supervise: Supervise) -> None:
    supervised = supervise({"name": "missing", "command": ["/nowhere/program"]}, process("other"))

    assert supervised.says(
        "missing cannot be started ([Errno 2] No such file or directory: '/nowhere/program')"
    )
    assert supervised.says("starting it again in 0.1 s")


def test_what_a_dead_process_has_left_of_its_group_is_told_to_end(supervise: Supervise) -> None:
    supervised = supervise(
        process(
            "arbiter",
            "import subprocess, sys, signal\n"
            f"worker = subprocess.Popen([sys.executable, '-c', {RUN_ON!r}])\n"
            "print('worker', worker.pid)\nsignal.pause()",
        )
    )
    assert supervised.says("arbiter | worker")
    worker = int(re.findall(r"arbiter \| worker (\d+)", supervised.output)[0])

    os.kill(supervised.pids("arbiter")[0], signal.SIGKILL)

    until(lambda: is_gone(worker), seconds=15)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's end"
)
def test_the_processes_end_when_the_supervisor_is_killed(supervise: Supervise) -> None:
    supervised = supervise(process("one"), process("two"))
    assert supervised.says("ready:")

    supervised.process.kill()

    until(lambda: all(is_gone(pid) for pid in supervised.pids(r"\w+")), seconds=15)


def test_the_terminals_ctrl_c_does_not_reach_the_processes(supervise: Supervise) -> None:
    supervised = supervise(process("one"))
    assert supervised.says("ready:")

    (pid,) = supervised.pids("one")

    assert os.getsid(pid) == pid != os.getsid(supervised.process.pid)


def test_each_line_of_output_carries_the_name_of_who_wrote_it(supervise: Supervise) -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); print('no end', end='')"
    supervised = supervise(
        process("talker", program, hidden="^hidden"), process("x", "print('hidden'); " + RUN_ON)
    )
    assert supervised.says("talker | no end\n")

    assert "talker | out\n" in supervised.output
    assert "talker | err\n" in supervised.output
    assert supervised.says("x      | hidden\n")


def test_hidden_and_blank_lines_are_not_shown(supervise: Supervise) -> None:
    supervised = supervise(
        process("talker", f"print('chatter'); print(); print('news'); {RUN_ON}", hidden="chat")
    )

    assert supervised.says("talker | news")
    assert "chatter" not in supervised.output
    assert "talker | \n" not in supervised.output


def test_a_process_that_says_no_more_that_it_makes_progress_is_killed_and_started_again(
    supervise: Supervise, tmp_path: Path
) -> None:
    flag = tmp_path / "works"
    flag.touch()
    supervised = supervise(process("wedged", WORK_WHILE.format(flag=str(flag)), watchdog_seconds=0.5))
    assert supervised.says("wedged | works")

    flag.unlink()
    assert supervised.says("wedged has made no progress for 0.5 s; killing it")
    flag.touch()

    assert supervised.says("wedged died (killed by SIGKILL); starting it again at once")
    assert supervised.says("wedged is ready again")
    assert supervised.says("wedged | works", times=2)


def test_a_process_that_is_stopped_is_killed_and_started_again(supervise: Supervise, tmp_path: Path) -> None:
    flag = tmp_path / "works"
    flag.touch()
    supervised = supervise(process("frozen", WORK_WHILE.format(flag=str(flag)), watchdog_seconds=0.5))
    assert supervised.says("frozen | works")

    os.kill(supervised.pids("frozen")[0], signal.SIGSTOP)

    assert supervised.says("frozen | works", times=2)
    assert "frozen died (killed by SIGKILL)" in supervised.output


def test_a_process_may_take_longer_to_begin_than_between_two_signs_of_progress(
    supervise: Supervise, tmp_path: Path
) -> None:
    flag = tmp_path / "works"
    slow = process("slow", WORK_WHILE.format(flag=str(flag)), watchdog_seconds=0.1, boot_seconds=60)
    hung = process("hung", WORK_WHILE.format(flag=str(flag)), watchdog_seconds=0.1, boot_seconds=0.5)
    supervised = supervise(slow, hung)

    assert supervised.says("hung has made no progress for 0.1 s; killing it", times=2)
    assert "slow has made no progress" not in supervised.output


def test_a_process_that_something_else_holds_up_is_left_alone(supervise: Supervise, tmp_path: Path) -> None:
    flag, held_up = tmp_path / "works", tmp_path / "redis-is-away"
    held_up.touch()
    hung = process("hung", WORK_WHILE.format(flag=str(flag)), watchdog_seconds=0.1, boot_seconds=0)
    waits = process("waits", WORK_WHILE.format(flag=str(flag)), held_up=str(held_up)) | {
        "watchdog_seconds": 0.1,
        "boot_seconds": 0,
    }
    supervised = supervise(waits, hung)
    assert supervised.says("hung has made no progress", times=2)
    assert "waits has made no progress" not in supervised.output

    held_up.unlink()

    assert supervised.says("waits has made no progress")
