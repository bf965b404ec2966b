"""What is measured, one module for each group of figures."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.figures import (
    backlog,
    bulk,
    connections,
    growth,
    latency,
    readers,
    slow_disk,
    strangers,
    table,
)
from benchmarks.run import Run

Ready = Mapping[str, Contestant]

TOGETHER: Mapping[str, Callable[[Run, Ready], Any]] = {
    "table": table.measure,
    "connections": connections.measure,
    "lone": latency.lone,
    "quiet": latency.quiet,
    "bulk": bulk.measure,
    "readers": readers.measure,
}
"""Figures of contestants that are all up at the same time, taking turns."""

APART: Mapping[str, Callable[[Run], Any]] = {
    "backlog": backlog.measure,
    "growth": growth.measure,
    "slow-disk": slow_disk.measure,
    "strangers": strangers.measure,
}
"""Figures that start what they need themselves, with nothing else up."""

NAMES = [*TOGETHER, *APART]

__all__ = ["APART", "NAMES", "TOGETHER", "Ready"]
