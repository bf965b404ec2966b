"""What the commands share: a rich console on their output, and whole numbers as arguments."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import IO, cast

from django.core.management.base import BaseCommand
from rich.console import Console


def console(command: BaseCommand, *, no_color: bool) -> Console:
    """Return a console that writes where the command writes, in colours only if its output has them."""
    command.stdout.ending = ""  # rich ends its lines itself
    return Console(file=cast(IO[str], command.stdout), no_color=no_color or None, highlight=False)


def whole_number(at_least: int, at_most: int, *, of: str = "") -> Callable[[str], int]:
    """Return an argument's type: a whole number within these limits, `of` a unit."""

    def number(value: str) -> int:
        # Digits alone: int() also takes signs, blanks and underscores.
        if not (value.isascii() and value.isdecimal() and at_least <= int(value) <= at_most):
            unit = f" of {of}" if of else ""
            raise ArgumentTypeError(f"use a whole number{unit} from {at_least} to {at_most}")
        return int(value)

    return number
