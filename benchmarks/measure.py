"""One measurement: load on a contestant, then a count of its rows."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import row_check
from benchmarks.contestants import Contestant
from benchmarks.load import LoadResult, send

SETTLE_SECONDS = 10.0
"""How long rows that were answered with 201 may take to be seen; they should be there at once."""

DRAIN_SECONDS = 120.0
"""How long rows that were answered with 202 may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one contestant did in one turn."""

    contestant: str
    connections: int
    expected_status: int
    items: int
    result: LoadResult
    rows: int | None
    """None where there is no store to count them in."""
    fault: str
    """What is wrong with the rows; a measurement with a fault does not count."""
    drain_seconds: float
    """From the last answer until all rows were there; measured to 0.2 s."""

    @property
    def rate(self) -> float:
        """Successes per second."""
        return self.result.successes(self.expected_status) / self.result.seconds

    @property
    def errors(self) -> int:
        return self.result.errors(self.expected_status)

    def line(self) -> str:
        """Return the measurement as one line for the terminal."""
        result = self.result
        text = (
            f"{self.contestant:<20} {self.connections:>3} conn  {self.rate * self.items:>9,.0f}/s  "
            f"p50 {result.p50 * 1e3:>7.1f}  p99 {result.p99 * 1e3:>7.1f}  max {result.max * 1e3:>7.1f} ms"
        )
        if self.errors:
            counts = dict(result.statuses)
            text += f"  errors {self.errors} {counts} sockets {result.socket_errors}"
        if result.timeouts:
            text += f"  time-outs {result.timeouts}"
        if self.drain_seconds > 1:
            text += f"  drained {self.drain_seconds:.1f} s later"
        return f"{text}  INVALID: {self.fault}" if self.fault else text

    def as_json(self) -> dict[str, Any]:
        return {
            "contestant": self.contestant,
            "connections": self.connections,
            "items": self.items,
            "rate": self.rate,
            "errors": self.errors,
            "timeouts": self.result.timeouts,
            "rows": self.rows,
            "fault": self.fault,
            "drain_seconds": self.drain_seconds,
            "result": self.result.as_json(),
        }


def measure(contestant: Contestant, *, connections: int, seconds: float, warm_up: float) -> Measurement:
    """Warm up, load, and count the rows."""
    request = contestant.request
    if warm_up:
        send(request, run=f"warm-{secrets.token_hex(4)}", connections=connections, seconds=warm_up)
    run = secrets.token_hex(4)
    result = send(request, run=run, connections=connections, seconds=seconds)
    rows, fault, drain_seconds = _check(contestant, run, result, connections)
    return Measurement(
        contestant=contestant.name,
        connections=connections,
        expected_status=request.expected_status,
        items=request.items,
        result=result,
        rows=rows,
        fault=fault,
        drain_seconds=drain_seconds,
    )


def _check(
    contestant: Contestant, run: str, result: LoadResult, connections: int
) -> tuple[int | None, str, float]:
    """Return how many rows the run has in the store, what is wrong with them, and when they were there."""
    server = contestant.server
    if server.rows(run) is None:
        return None, "", 0.0
    successes = result.successes(contestant.expected_status)
    started = time.monotonic()
    found = row_check.settled(
        lambda: server.rows(run),  # type: ignore[arg-type, return-value]
        wanted=successes * contestant.items,
        within_seconds=SETTLE_SECONDS if contestant.expected_status == 201 else DRAIN_SECONDS,
    )
    fault = row_check.verdict(
        found,
        successes=successes,
        in_flight=connections,
        errors=result.errors(contestant.expected_status),
        items=contestant.items,
    )
    return found.rows, fault, time.monotonic() - started
