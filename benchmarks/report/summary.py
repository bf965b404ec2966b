"""Medians and spreads of what was measured in several rounds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Sample = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one contestant did over all rounds. Latencies are in seconds."""

    rate: float
    """Median of the rounds' successes per second (items per second where a request creates several)."""
    lowest: float
    highest: float
    p50: float
    p99: float
    max: float
    """The longest of all rounds."""
    errors: int
    """Of all rounds together."""
    timeouts: int
    """Answers that took more than 2 s or did not come, of all rounds together."""
    drain_seconds: float
    faults: Sequence[str]
    """What was wrong with the rows of rounds, which therefore do not count."""


def summarize(samples: Iterable[Sample]) -> Summary | None:
    """Return the medians over the valid samples; None when there is not one."""
    everything = list(samples)
    valid = [sample for sample in everything if not sample["fault"]]
    if not valid:
        return None
    rates = [sample["rate"] * sample["items"] for sample in valid]
    return Summary(
        rate=statistics.median(rates),
        lowest=min(rates),
        highest=max(rates),
        p50=statistics.median(sample["result"]["p50"] for sample in valid),
        p99=statistics.median(sample["result"]["p99"] for sample in valid),
        max=max(sample["result"]["max"] for sample in everything),
        errors=sum(sample["errors"] for sample in everything),
        timeouts=sum(sample["timeouts"] for sample in everything),
        drain_seconds=statistics.median(sample["drain_seconds"] for sample in valid),
        faults=[sample["fault"] for sample in everything if sample["fault"]],
    )


def by_contestant(samples: Iterable[Sample]) -> dict[str, Summary]:
    """Return a summary for each contestant that has one, in the order of their first samples."""
    return _grouped(samples, "contestant")


def by_connections(samples: Iterable[Sample]) -> dict[str, dict[int, Summary]]:
    """Return a summary for each contestant and number of connections."""
    everything = list(samples)
    names = dict.fromkeys(sample["contestant"] for sample in everything)
    return {
        name: _grouped((sample for sample in everything if sample["contestant"] == name), "connections")
        for name in names
    }


def by_rows(samples: Iterable[Sample]) -> dict[int, Summary]:
    """Return a summary for each number of rows that the store held before."""
    return dict(sorted(_grouped(samples, "store_rows").items()))


def ratio(value: float | None, base: float | None) -> float | None:
    """Return value / base; None when one is missing or there is nothing to divide by."""
    return value / base if value is not None and base else None


def median(values: Sequence[float] | None) -> float | None:
    return statistics.median(values) if values else None


def percentiles(samples: Iterable[Sample], shares: Sequence[float], per_decade: int) -> list[float]:
    """Return the latencies in seconds that these shares of all rounds' answers did not exceed.

    From the histograms, so to the width of a bucket; each bucket counts as its upper end.
    """
    counts: dict[int, int] = {}
    for sample in samples:
        if not sample["fault"]:
            for bucket, count in sample["result"]["histogram"].items():
                counts[int(bucket)] = counts.get(int(bucket), 0) + count
    total, seen = sum(counts.values()), 0
    wanted, found = sorted(shares), list[float]()
    for bucket in sorted(counts):
        seen += counts[bucket]
        while len(found) < len(wanted) and seen >= wanted[len(found)] * total:
            found.append(10 ** ((bucket + 1) / per_decade) / 1e6)
    return found


def _grouped(samples: Iterable[Sample], key: str) -> dict[Any, Summary]:
    groups: dict[Any, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample[key], []).append(sample)
    summaries = {name: summarize(group) for name, group in groups.items()}
    return {name: summary for name, summary in summaries.items() if summary is not None}
