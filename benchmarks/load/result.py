"""What a load driver saw: counts by status, latencies, errors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MARK = "RESULT "
BUCKETS_PER_DECADE = 50
"""Of the histogram: bucket b holds latencies from 10^(b/50) microseconds on, a step of 4.7 %."""


class NotUnderstood(Exception):
    """The load driver's output is not what it should be; the message shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """One measurement. Latencies are in seconds, of answers of any status."""

    seconds: float
    requests: int
    """Answers of any status."""
    statuses: Mapping[int, int]
    slow: int
    """Answers that took more than 2 s."""
    unanswered: int
    """Requests given up after 10 s."""
    connect_errors: int = 0
    read_errors: int = 0
    write_errors: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    max: float = 0.0
    histogram: Mapping[int, int] = field(default_factory=dict)
    """Answers by logarithmic bucket of their latency."""
    examples: Mapping[int, str] = field(default_factory=dict)
    """One body for each status that is an error."""

    @property
    def socket_errors(self) -> int:
        return self.connect_errors + self.read_errors + self.write_errors

    @property
    def timeouts(self) -> int:
        return self.slow + self.unanswered

    def successes(self, expected_status: int) -> int:
        return self.statuses.get(expected_status, 0)

    def errors(self, expected_status: int) -> int:
        """Return how many requests got another answer than the expected one, or none."""
        return self.requests - self.successes(expected_status) + self.socket_errors

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def parse(output: str) -> LoadResult:
    """Return what wrk.lua printed. Raises NotUnderstood."""
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise NotUnderstood(f"wrk printed no result:\n{output[-2000:]}")
    raw = json.loads(line.removeprefix(MARK))
    statuses = _by_number(raw["statuses"])
    if sum(statuses.values()) != raw["requests"]:
        raise NotUnderstood(f"wrk counts {raw['requests']} answers, the script {sum(statuses.values())}")
    unseen = raw["requests"] - raw["measured"] - raw["unanswered"]
    if abs(unseen) > raw["requests"] * 0.01:
        raise NotUnderstood(f"wrk's histogram holds {raw['measured']} of {raw['requests']} answers")
    latencies = {name: raw[name] / 1e6 for name in ("mean", "p50", "p90", "p99", "p999", "max")}
    return LoadResult(
        seconds=raw["seconds"],
        requests=raw["requests"],
        statuses=statuses,
        slow=raw["slow"],
        unanswered=raw["unanswered"],
        connect_errors=raw["connect"],
        read_errors=raw["read"],
        write_errors=raw["write"],
        histogram=_by_number(raw["histogram"]),
        examples={int(status): body for status, body in raw["examples"].items()},
        **latencies,
    )


def _by_number(raw: Mapping[str, int]) -> dict[int, int]:
    return {int(number): count for number, count in raw.items()}
