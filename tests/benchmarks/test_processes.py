import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.processes import NotStarted, Processes, environment
from tests.waiting import until


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path, {})
    yield started
    started.stop_all()


def is_alive(pid: int) -> bool:
    try:
        # A zombie whose parent has not asked for it counts as ended.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_process_started_ends_with_it(processes: Processes, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # The child outlives its parent's SIGTERM, as a server's worker may.
    processes.start("server", ["sh", "-c", f"(trap '' TERM; sleep 60) & echo $! $$ > {pids}; wait"])
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2, seconds=5, what="both to run")
    child, parent = (int(pid) for pid in pids.read_text().split())

    processes.stop("server")

    until(lambda: not is_alive(child) and not is_alive(parent), seconds=5, what="both to end")


def test_a_process_that_ends_before_it_is_ready_is_told_with_its_log(processes: Processes) -> None:
    processes.start("server", ["sh", "-c", "echo no such table >&2; exit 3"])

    with pytest.raises(NotStarted, match="server ended with status 3: no such table"):
        processes.wait_until(lambda: False)


def test_the_settings_of_the_shell_do_not_reach_a_contestant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITE_WAIT_SECONDS", "1")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")

    variables = environment({"PORT": "1"})

    assert "WRITE_WAIT_SECONDS" not in variables
    assert "REDIS_URL" not in variables
    assert (variables["PORT"], variables["PATH"]) == ("1", os.environ["PATH"])
