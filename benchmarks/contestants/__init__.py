"""Everything that is compared, by name."""

from benchmarks.bench import Bench
from benchmarks.contestants import registry
from benchmarks.contestants.server import Contestant, Rows, Server

TUNED_DIRECT = "direct-full"
"""The contestant that the ratios are taken against: Django writing for itself, tuned and durable."""

DURABLE_DIRECT = (
    *("direct-default", TUNED_DIRECT, "direct-full-gevent", "direct-full-sync", "direct-full-granian"),
    "django-bolt",
)
"""Django writing SQLite for itself in all ways that keep what they have answered."""

ON_POSTGRES = ("postgres", "postgres-gevent")

CEILING = "noop"

__all__ = [
    "CEILING",
    "DURABLE_DIRECT",
    "ON_POSTGRES",
    "TUNED_DIRECT",
    "Contestant",
    "Rows",
    "Server",
    "all_contestants",
]


def all_contestants(bench: Bench) -> dict[str, Contestant]:
    """Return new contestants, none of them started, in the order of the table."""
    return {contestant.name: contestant for contestant in registry.contestants(bench)}
