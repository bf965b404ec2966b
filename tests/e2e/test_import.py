"""An import beside real processes that are killed: each line is taken once."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.e2e.service import BASE_DIR, PYTHON, Service
from tests.waiting import until

LINES = 12_000
SLICES = LINES // 100
REFUSED = {2: "", 9_999: "x" * 201, 12_001: "\x07"}
"""By line: names that are not valid."""


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Iterator[Service]:
    """Redis and a writer; nobody asks the web process."""
    made = make_service()
    for part in ("redis", "writer"):
        made.start(part)

    def is_at_work() -> bool:
        try:
            return made.writer_is_alive()
        except redis.ConnectionError:
            return False  # Redis has only just been started too

    until(is_at_work, seconds=60, what="the writer to be at work")
    yield made


class Run:
    """One run of the command, in a process of its own."""

    def __init__(self, service: Service, file: Path) -> None:
        self.journal = file.with_suffix(".csv.journal")
        self.process = subprocess.Popen(
            [PYTHON, "manage.py", "import_items", str(file)],
            env=service.environment,
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until_handed_over(self, slices: int) -> None:
        """Wait until so many slices were handed over, by this run or former ones."""

        def is_there() -> bool:
            assert self.process.poll() is None, self.process.communicate()[0]
            return self.journal.exists() and len(self.journal.read_text().splitlines()) > slices

        until(is_there, seconds=60, what=f"{slices} slices to be handed over")

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Signal it, or let it run to its end; return its exit status and what it said."""
        if number is not None:
            self.process.send_signal(number)
        said = self.process.communicate(timeout=100)[0]
        return self.process.returncode, said


def test_an_import_that_is_killed_again_and_again_and_its_writer_too_takes_each_line_once(
    service: Service, tmp_path: Path
) -> None:
    names = {line: REFUSED.get(line, f"line {line}") for line in range(2, LINES + 2)}
    file = tmp_path / "items.csv"
    file.write_text("name\n" + "".join(f'"{name}"\n' for name in names.values()))

    for slices in (SLICES // 12, SLICES // 3):
        run = Run(service, file)
        run.until_handed_over(slices)
        assert run.end(signal.SIGKILL)[0] == -signal.SIGKILL
    run = Run(service, file)
    run.until_handed_over(SLICES // 2)
    service.kill("writer")
    service.start("writer")
    run.until_handed_over(SLICES * 2 // 3)
    run.end(signal.SIGKILL)

    status, said = Run(service, file).end()

    assert service.names() == [name for line, name in names.items() if line not in REFUSED]
    assert status == 1, said
    [told] = [line for line in said.splitlines() if line.startswith(f"{LINES:,} lines: ")]
    created, refused, before = (int(part.replace(",", "")) for part in re.findall(r"([\d,]+) [cr]", told))
    assert (created + before, refused) == (LINES - 3, 3) and before >= LINES // 2, said
    report = [json.loads(line) for line in (tmp_path / "items.csv.refused.jsonl").read_text().splitlines()]
    assert [(one["line"], one["data"]["name"]) for one in report] == list(REFUSED.items())
    assert sorted(path.name for path in tmp_path.glob("items*")) == [
        *("items.csv", "items.csv.journal", "items.csv.refused.jsonl")
    ]
