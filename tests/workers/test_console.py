"""Whole numbers as arguments of commands: digits alone, within limits."""

from argparse import ArgumentTypeError

import pytest

from workers.management.console import whole_number


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("10", 10), ("007", 7)])
def test_a_number_within_its_limits_is_taken(value: str, number: int) -> None:
    assert whole_number(1, 10)(value) == number


@pytest.mark.parametrize("value", ["", "0", "11", "-1", "+1", " 1", "1_0", "1.0", "\u0661", "\u00b2", "ten"])
def test_anything_else_is_refused_with_the_limits(value: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^use a whole number of days from 1 to 10$"):
        whole_number(1, 10, of="days")(value)
