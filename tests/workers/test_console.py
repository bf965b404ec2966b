"""Whole numbers as arguments of commands: digits alone, within limits. Bars on a terminal, and only there."""

from argparse import ArgumentTypeError
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from workers.encoding.counts import waiting
from workers.management.console import counted, print_whole, rows_of, whole_number


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("10", 10), ("007", 7)])
def test_a_number_within_its_limits_is_taken(value: str, number: int) -> None:
    assert whole_number(1, 10)(value) == number


@pytest.mark.parametrize("value", ["", "0", "11", "-1", "+1", " 1", "1_0", "1.0", "\u0661", "\u00b2", "ten"])
def test_anything_else_is_refused_with_the_limits(value: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^use a whole number of days from 1 to 10$"):
        whole_number(1, 10, of="days")(value)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_rows_are_shown_with_step_rate_and_part_on_a_terminal_and_nowhere_else(
    is_terminal: bool,
) -> None:
    out = StringIO()
    with rows_of(Console(file=out, force_terminal=is_terminal, width=120)) as show:
        show("check", 0, 1_000)
        for done in range(0, 1_001, 250):
            show("copy", done, 1_000)

    assert ("copy" in out.getvalue() and "100%" in out.getvalue() and "/s" in out.getvalue()) is is_terminal
    assert bool(out.getvalue()) is is_terminal


def test_a_table_that_is_printed_whole_breaks_no_word() -> None:
    out, table = StringIO(), Table("File", "Why")
    table.columns[0].no_wrap = True
    table.add_row("a" * 100, "write_failed")

    print_whole(Console(file=out, width=80), table)

    assert "a" * 100 in out.getvalue()
    assert "write_failed" in out.getvalue()


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 writes"), (1, "1 write"), (2, "2 writes"), (1_000, "1,000 writes")]
)
def test_what_is_counted_is_said_in_its_number(count: int, said: str) -> None:
    assert counted(count, "write") == said


def test_one_write_waits_and_two_wait() -> None:
    assert (waiting(1), waiting(2)) == ("1 accepted write waits", "2 accepted writes wait")
