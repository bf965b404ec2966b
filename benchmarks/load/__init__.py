"""The load driver: `wrk` where it is installed, else one of our own that costs more CPU and says so."""

from dataclasses import replace

from benchmarks.load import asyncio_driver, wrk
from benchmarks.load.request import Request, name_prefix
from benchmarks.load.result import BUCKETS_PER_DECADE, LoadResult, NotUnderstood

__all__ = [
    "BUCKETS_PER_DECADE",
    "LoadResult",
    "NotUnderstood",
    "Request",
    "driver",
    "name_prefix",
    "read",
    "send",
]


def driver() -> str:
    """Return which driver is used, and its version."""
    if wrk.is_here():
        return f"wrk {wrk.version()}"
    return "built-in asyncio client (no wrk on PATH: it takes CPU from the contestants, rates are too low)"


def read(request: Request, *, connections: int, seconds: float, items: int) -> LoadResult | None:
    """Read the list's first page and single items in a closed loop; None where `wrk` is missing.

    The items' ids are 1 to `items`.
    """
    if not wrk.is_here():
        return None
    reads = replace(request, before=request.path, item_front=request.path, item_back=str(items), after="")
    return wrk.run(reads, run="reads", connections=connections, seconds=seconds, script="reads.lua")


def send(request: Request, *, run: str, connections: int, seconds: float) -> LoadResult:
    """Send requests in a closed loop for that long, and return what was answered."""
    load = wrk.run if wrk.is_here() else asyncio_driver.run
    return load(request, run=run, connections=connections, seconds=seconds)
