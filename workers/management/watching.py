"""`writer_status --watch`: the write path as it is now, and its last minutes, until Ctrl-C."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

import redis
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from workers.encoding.counts import waiting
from workers.exceptions import QueueUnavailable
from workers.measures import SLOT_SECONDS, Slot, Spread, history
from workers.operations.absence import problems_of
from workers.operations.status import QueueStatus, queue_status

LOOK_SECONDS = 1.0

HEAD_LINES = 8
"""Lines of the screen that are not those of slots."""


class Watch:
    """What is known of the write path, looked at again and again."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []
        self._status: QueueStatus | None = None
        self._problems: list[str] = []

    @property
    def problems(self) -> Sequence[str]:
        """Why nothing is committed now, in sentences."""
        return self._problems

    def look(self) -> list[Slot]:
        """Look at Redis; return the slots that are over since the last look."""
        new: list[Slot] = []
        try:
            new = history(since=self._slots[-1].begins_at if self._slots else 0)
            self._status = queue_status()
            self._problems = problems_of(self._status)
        except (QueueUnavailable, redis.RedisError) as exc:
            self._status, self._problems = None, [str(exc)]
        if new and self._slots and new[0].begins_at <= self._slots[-1].begins_at:
            self._slots, new = new, []  # Redis's clock was set back
        self._slots = [*self._slots, *new][-1_000:]
        return new

    def screen(self, *, lines: int) -> RenderableType:
        """Return all of it for a terminal of 80 columns or more."""
        shown = self._slots[-max(1, lines - HEAD_LINES) :]
        return Group(self._head(), self._table(shown), "[dim]Ctrl-C ends this.[/dim]")

    def _head(self) -> RenderableType:
        rows = [f"[red]{escape(problem)}[/red]" for problem in self._problems]
        status = self._status
        if status is not None and status.writer is not None:
            writer = status.writer
            rows.insert(0, f"[green]Writer[/green] pid {writer.pid} on {escape(writer.host)}")
        if status is not None:
            age = status.oldest_age_seconds
            oldest = "" if age is None else f", the oldest for {age:,.1f} s"
            rows.append(f"{waiting(status.length)}{oldest}.")
        return Group(*rows)

    @staticmethod
    def _table(slots: list[Slot]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        for heading in ("From", "Writes/s", "Batch\nmax", "Wait\np50", "\np99", "Apply\np99"):
            table.add_column(heading, justify="right", no_wrap=True)
        for heading in ("Commit\np99", "Waiting", "Oldest", "Reject", "Fail"):
            table.add_column(heading, justify="right", no_wrap=True)
        for slot in slots:
            table.add_row(*_cells(slot), style="" if slot.at_work_seconds else "dim")
        return table


def watch(output: Console) -> None:
    """Show a live table on a terminal, else print a line for each slot. Ends with KeyboardInterrupt."""
    seen = Watch()
    seen.look()
    if not output.is_terminal:
        _print_lines(seen, output)
    with Live(console=output, screen=True, auto_refresh=False) as live:
        while True:
            live.update(seen.screen(lines=output.height), refresh=True)
            time.sleep(LOOK_SECONDS)
            seen.look()


def _print_lines(seen: Watch, output: Console) -> NoReturn:
    told: Sequence[str] = []
    while True:
        # Once, however long it stays, and whatever its numbers count.
        kinds = [re.sub(r"\d[\d.,]*", "0", problem) for problem in seen.problems]
        if kinds != told:
            for problem in seen.problems:
                output.print(f"problem={json.dumps(problem)}", soft_wrap=True, markup=False)
            told = kinds
        time.sleep(LOOK_SECONDS)
        for slot in seen.look():
            output.print(line(slot), soft_wrap=True, markup=False)


def line(slot: Slot) -> str:
    """Return a slot as one line of names and values, as in the logs; `-` where there is nothing to tell."""
    return " ".join(f"{name}={value}" for name, value in _values(slot))


def _values(slot: Slot) -> Iterator[tuple[str, str]]:
    yield "from", datetime.fromtimestamp(slot.begins_at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield "at_work_seconds", f"{slot.at_work_seconds:.1f}"
    yield "writes_per_second", f"{slot.writes / SLOT_SECONDS:.1f}"
    yield "largest_batch", _or_dash(slot.largest_batch)
    for name, spread in (("wait", slot.wait), ("apply", slot.apply), ("commit", slot.commit)):
        yield f"{name}_p50_ms", "-" if spread is None else f"{spread.p50 * 1e3:.1f}"
        yield f"{name}_p99_ms", "-" if spread is None else f"{spread.p99 * 1e3:.1f}"
    yield "waiting", _or_dash(slot.waiting)
    yield "oldest_seconds", "-" if slot.oldest_seconds is None else f"{slot.oldest_seconds:.1f}"
    yield "rejected", str(slot.rejected)
    yield "failed", str(slot.failed)
    yield "held_back", str(slot.held_back)


def _cells(slot: Slot) -> list[str]:
    moment = datetime.fromtimestamp(slot.begins_at).astimezone().strftime("%H:%M:%S")
    if not slot.at_work_seconds:
        return [moment, "nobody"]  # at work
    return [
        moment,
        f"{slot.writes / SLOT_SECONDS:,.1f}",
        _or_dash(slot.largest_batch),
        _short(None if slot.wait is None else slot.wait.p50),
        _p99(slot.wait),
        _p99(slot.apply),
        _p99(slot.commit),
        _or_dash(slot.waiting),
        _short(slot.oldest_seconds),
        f"{slot.rejected:,}" if slot.rejected else "-",
        f"[red]{slot.failed:,}[/red]" if slot.failed else "-",
    ]


def _p99(spread: Spread | None) -> str:
    return _short(None if spread is None else spread.p99)


def _or_dash(count: int | None) -> str:
    return "-" if count is None else f"{count}"


def _short(seconds: float | None) -> str:
    """Return a time in six characters, so that a line has room in 80 columns."""
    if not seconds:
        return "-"
    if seconds < 1:
        return f"{seconds * 1e3:.1f}ms" if seconds < 0.1 else f"{seconds * 1e3:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds:.0f}s"


def until_interrupted(output: Console) -> None:
    """Watch until Ctrl-C, which is no error."""
    with suppress(KeyboardInterrupt):
        watch(output)
