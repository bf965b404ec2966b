"""One run of the benchmark: what was asked for, and what was measured so far."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.bench import Bench
from benchmarks.contestants import Contestant
from benchmarks.measure import Measurement, measure

WARM_UP_SECONDS = 1.0

Samples = list[dict[str, Any]]


@dataclass(kw_only=True)
class Run:
    """Handed to every figure."""

    bench: Bench
    rounds: int
    seconds: float
    """Length of one measurement, in seconds; figures whose measurements are shorter say so."""
    only: frozenset[str] = frozenset()
    """Names of the contestants that take part; empty for all."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Why contestants or figures did not take part."""
    started: float = field(default_factory=time.monotonic)

    def takes_part(self, name: str) -> bool:
        return not self.only or name in self.only

    def say(self, text: str) -> None:
        """Print a line, with the time since the start."""
        seconds = time.monotonic() - self.started
        print(f"{int(seconds // 60):>2}:{int(seconds % 60):02} {text}", flush=True)

    def measure(
        self,
        contestant: Contestant,
        *,
        round_number: int,
        connections: int = 64,
        seconds: float | None = None,
        warm_up: float = WARM_UP_SECONDS,
        extra: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Take one measurement, print it, and return it as it goes into the results."""
        measurement: Measurement = measure(
            contestant,
            connections=connections,
            seconds=self.seconds if seconds is None else seconds,
            warm_up=warm_up,
        )
        note = " ".join(str(value) for value in (extra or {}).values())
        self.say(f"{round_number + 1}/{self.rounds}  {measurement.line()}  {note}".rstrip())
        for status, body in measurement.result.examples.items():
            self.say(f"       {status}: {body}")
        return measurement.as_json() | {"round": round_number} | dict(extra or {})
