"""`writer_status --watch`: readable at 80 columns, plain lines without a terminal, ended by Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from urllib.parse import urlsplit

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection
from rich.console import Console

from tests.e2e.service import BASE_DIR
from workers.management.watching import Watch, line
from workers.measures import reading
from workers.measures.slots import SLOT_SECONDS
from workers.stream import keys
from workers.writer.loop import Writer

BUSY = {
    "batches": 1_200,
    "size_sum": 123_456,
    "rejected": 99_999,
    "failed": 99_999,
    "at_work_us": 5_000_000,
    "largest_batch": 10_000,
    "waiting": 9_999_999,
    "oldest_us": 86_400_000_000,
    "log_bytes": 4_000_000,
    "wait:31": 123_456,
    "wait_sum": 9_999_999,
    "apply:20": 1_200,
    "commit:15": 1_200,
}
"""All that takes room on a line, at its longest."""


def add_slot(client: redis.Redis, ago: int, **figures: int) -> int:
    """Keep a slot that began so many slots before the present one; return its beginning."""
    now = int(client.time()[0])
    begins_at = now - now % SLOT_SECONDS - ago * SLOT_SECONDS
    client.hset(keys.measured_slot(str(begins_at)), items=[part for pair in figures.items() for part in pair])
    return begins_at


def screen(*, width: int = 80, lines: int = 24) -> list[str]:
    output = StringIO()
    seen = Watch()
    seen.look()
    Console(file=output, width=width, force_terminal=False).print(seen.screen(lines=lines))
    return output.getvalue().rstrip("\n").splitlines()


def test_the_screen_fits_80_columns_and_the_terminals_lines(writer: Writer, clean_redis: redis.Redis) -> None:
    writer.drain()
    add_slot(clean_redis, 2, **BUSY)

    shown = screen()

    assert max(map(len, shown)) <= 80
    assert len(shown) <= 24
    assert shown[0].startswith(f"Writer pid {os.getpid()} on ")
    [row] = [one for one in shown if "24,691.2" in one]
    assert "…" not in "".join(shown), "\n".join(shown)
    assert re.search(r"10000 +100s +100s", row)
    assert row.split()[-2:] == ["99,999", "99,999"]


def test_a_time_without_a_writer_is_told_from_a_quiet_one(writer: Writer, clean_redis: redis.Redis) -> None:
    add_slot(clean_redis, 3, at_work_us=5_000_000, waiting=0, oldest_us=0)

    rows = screen()

    assert sum("nobody" in row for row in rows) >= 10
    assert len([row for row in rows if re.fullmatch(r"[\d:]{8} +0\.0( +[-0])+", row.strip())]) == 1


@pytest.mark.django_db
def test_what_keeps_writes_waiting_is_said_above(clean_redis: redis.Redis) -> None:
    assert screen()[0].startswith("No writer is at work: 0 accepted writes wait.")


def test_a_slot_as_a_line_has_every_figure(writer: Writer, clean_redis: redis.Redis) -> None:
    begins_at = add_slot(clean_redis, 2, **BUSY)
    [slot] = [one for one in reading.history() if one.begins_at == begins_at]

    said = line(slot)

    assert "writes_per_second=24691.2 largest_batch=10000 wait_p50_ms=100000.0" in said
    assert said.endswith("waiting=9999999 oldest_seconds=86400.0 rejected=99999 failed=99999 held_back=0")


@pytest.mark.django_db
def test_where_the_clock_was_set_back_the_table_begins_anew(
    clean_redis: redis.Redis,
) -> None:
    seen = Watch()
    seen.look()
    known = seen._slots
    seen._slots = [replace(slot, begins_at=slot.begins_at + 3_600) for slot in known]

    assert seen.look() == []  # nothing that is over since the last look
    # By now the newest slot may be one more.
    assert len(seen._slots) == len(known)
    assert known[0].begins_at <= seen._slots[0].begins_at < known[-1].begins_at


@pytest.mark.django_db
def test_json_and_a_live_table_are_not_asked_for_together() -> None:
    with pytest.raises(CommandError, match="--watch prints no JSON"):
        call_command("writer_status", "--watch", "--json")


def same_store() -> dict[str, str]:
    """Return what leads a process to this test's database on PostgreSQL: another would be another store."""
    if connection.vendor == "sqlite":
        return {}
    url = urlsplit(os.environ["DATABASE_URL"])
    return {"DATABASE_URL": url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()}


def watched(*, lines: int, **variables: str) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """Return the first lines that are printed without a terminal, and what came of Ctrl-C after them."""
    command = [sys.executable, "manage.py", "writer_status", "--watch"]
    with subprocess.Popen(
        command,
        cwd=BASE_DIR,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            first = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    return first, subprocess.CompletedProcess(command, process.returncode, rest, errors)


def test_without_a_terminal_it_prints_lines_until_it_is_interrupted(
    writer: Writer, clean_redis: redis.Redis
) -> None:
    (problem, first), ended = watched(lines=2, **same_store())

    assert problem.startswith('problem="No writer is at work: ')
    assert re.match(r"from=\d{4}-\d\d-\d\dT[\d:]{8}Z at_work_seconds=0\.0 ", first)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Traceback" not in ended.stdout


@pytest.mark.django_db
def test_without_a_terminal_what_stands_in_the_way_is_a_line_of_its_own() -> None:
    [first], ended = watched(lines=1, REDIS_URL="unix:///nowhere/redis.sock")

    assert first.startswith('problem="Redis does not respond: ')
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
