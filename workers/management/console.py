"""What the commands share: a rich console on their output, its progress bar, whole numbers as arguments."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, OutputWrapper
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from workers.encoding.counts import counted

__all__ = ["console", "counted", "path", "print_whole", "progress_of", "rows_of", "whole_number"]

WIDEST = 1_000
"""Columns of the longest line that is printed whole."""


class _Unended:
    """What a command writes to, without the end of a line after each piece: rich ends its lines itself."""

    def __init__(self, output: OutputWrapper) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output.write(text, ending="")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)


def console(command: BaseCommand, *, no_color: bool) -> Console:
    """Return a console that writes where the command writes, in colours only if its output has them."""
    return Console(file=cast(IO[str], _Unended(command.stdout)), no_color=no_color or None, highlight=False)


@contextmanager
def progress_of(console: Console, *, is_shown: bool = True) -> Iterator[Callable[[str, float], None]]:
    """Show a bar for the step that is being done, on a terminal; give what takes its name and part done."""
    if not is_shown or not console.is_terminal:
        yield lambda what, part: None
        return
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as bar:
        tasks = {}

        def show(what: str, part: float) -> None:
            if what not in tasks:
                # SQLite does not tell how far it is with what it verifies and counts.
                tasks[what] = bar.add_task(what, total=None if part == 0 else 1.0)
            bar.update(tasks[what], completed=part, total=1.0 if part else None)

        yield show


def print_whole(output: Console, table: Table) -> None:
    """Print a table without breaking a word of it: names and paths are there to be copied.

    A terminal that is too narrow breaks the line itself, and copies it whole.
    """
    output.width = max(
        output.width, output.measure(table, options=output.options.update(width=WIDEST)).maximum
    )
    output.print(table)


def path(value: str) -> Path:
    """Read an argument that names a file or a directory. An empty one is a variable that is not set."""
    if not value:
        raise ArgumentTypeError("it is empty")
    return Path(value)


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


@contextmanager
def rows_of(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each step, with rate and time left, on a terminal; give what takes its name and rows."""
    if not console.is_terminal:
        yield lambda what, done, total: None
        return
    what = TextColumn("{task.description}")
    columns = [what, BarColumn(), TaskProgressColumn(), _Rate(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total or None)  # None: nobody knows

        yield show


def whole_number(at_least: int, at_most: int, *, of: str = "") -> Callable[[str], int]:
    """Return an argument's type: a whole number within these limits, `of` a unit."""

    def number(value: str) -> int:
        # Digits alone: int() also takes signs, blanks and underscores.
        if not (value.isascii() and value.isdecimal() and at_least <= int(value) <= at_most):
            unit = f" of {of}" if of else ""
            raise ArgumentTypeError(f"use a whole number{unit} from {at_least} to {at_most}")
        return int(value)

    return number
