"""The load driver: `wrk` where it is installed, else one of our own that costs more CPU and says so."""

from benchmarks.load import asyncio_driver, wrk
from benchmarks.load.request import Request, name_prefix
from benchmarks.load.result import BUCKETS_PER_DECADE, LoadResult, NotUnderstood

__all__ = ["BUCKETS_PER_DECADE", "LoadResult", "NotUnderstood", "Request", "driver", "name_prefix", "send"]


def driver() -> str:
    """Return which driver is used, and its version."""
    if wrk.is_here():
        return f"wrk {wrk.version()}"
    return "built-in asyncio client (no wrk on PATH: it takes CPU from the contestants, rates are too low)"


def send(request: Request, *, run: str, connections: int, seconds: float) -> LoadResult:
    """Send requests in a closed loop for that long, and return what was answered."""
    load = wrk.run if wrk.is_here() else asyncio_driver.run
    return load(request, run=run, connections=connections, seconds=seconds)
