"""Everything that is compared, by name."""

from benchmarks.bench import Bench
from benchmarks.contestants import registry
from benchmarks.contestants.server import Contestant, Rows, Server

TUNED_DIRECT = "direct-full"
"""The contestant that the ratios are taken against: Django writing for itself, tuned and durable."""

CEILING = "noop"

__all__ = ["CEILING", "TUNED_DIRECT", "Contestant", "Rows", "Server", "all_contestants"]


def all_contestants(bench: Bench) -> dict[str, Contestant]:
    """Return new contestants, none of them started, in the order of the table."""
    return {contestant.name: contestant for contestant in registry.contestants(bench)}
