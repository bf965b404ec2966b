"""A rich console on a command's own output."""

from typing import IO, cast

from django.core.management.base import BaseCommand
from rich.console import Console


def console(command: BaseCommand, *, no_color: bool) -> Console:
    """Return a console that writes where the command writes, in colours only if its output has them."""
    command.stdout.ending = ""  # rich ends its lines itself
    return Console(file=cast(IO[str], command.stdout), no_color=no_color or None, highlight=False)
