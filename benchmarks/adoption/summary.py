"""Medians of the rounds of each way, and what was to be shown."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.adoption.ledger import Check, total
from benchmarks.adoption.ways import STORE_LOCK, TUNED

Sample = Mapping[str, Any]
"""One way in one round: what benchmarks.adoption.load gives, and "way" and "round"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one way did over all rounds. Latencies are in seconds, of all requests."""

    rate: float
    """Median of the rounds' successes per second."""
    lowest: float
    highest: float
    p50: float
    p99: float
    max: float
    """The longest of all rounds."""
    requests: int
    server_errors: int
    """Responses of 500 and above."""
    no_response: int
    unexpected: int
    """Responses that are neither: the clients' script does not fit the site."""
    check: Check

    @property
    def errors(self) -> int:
        return self.server_errors + self.no_response + self.unexpected


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure that was asked for before anything was measured."""

    title: str
    measured: float
    bound: float
    is_floor: bool = False

    @property
    def is_reached(self) -> bool:
        return self.measured >= self.bound if self.is_floor else self.measured <= self.bound


def summarize(samples: Sequence[Sample]) -> Summary:
    """Return the medians over the rounds of one way."""
    rates = [sample["rate"] for sample in samples]
    return Summary(
        rate=statistics.median(rates),
        lowest=min(rates),
        highest=max(rates),
        p50=statistics.median(sample["p50"] for sample in samples),
        p99=statistics.median(sample["p99"] for sample in samples),
        max=max(sample["max"] for sample in samples),
        requests=sum(sample["requests"] for sample in samples),
        server_errors=sum(sample["server_errors"] for sample in samples),
        no_response=sum(sample["no_response"] for sample in samples),
        unexpected=sum(sample["unexpected"] for sample in samples),
        check=total(
            Check(**{**sample["check"], "examples": tuple(sample["check"]["examples"])}) for sample in samples
        ),
    )


def by_way(samples: Sequence[Sample]) -> dict[str, Summary]:
    """Return a summary for each way, in the order of their first samples."""
    ways = dict.fromkeys(sample["way"] for sample in samples)
    return {way: summarize([sample for sample in samples if sample["way"] == way]) for way in ways}


def goals(found: Mapping[str, Summary]) -> list[Goal]:
    """Return what the store lock was to show against the tuned way; nothing where one was not measured."""
    lock, tuned = found.get(STORE_LOCK), found.get(TUNED)
    if lock is None or tuned is None or not (tuned.rate and tuned.p99 and tuned.max):
        return []
    broken = lock.check.lost + lock.check.duplicates + lock.check.failed_yet_done
    return [
        Goal(title="errors", measured=lock.errors, bound=0),
        Goal(title="rows lost, duplicate or there in spite of an error", measured=broken, bound=0),
        Goal(title="rate against the tuned way", measured=lock.rate / tuned.rate, bound=0.95, is_floor=True),
        Goal(title="p99 against the tuned way", measured=lock.p99 / tuned.p99, bound=0.65),
        Goal(title="longest request against the tuned way", measured=lock.max / tuned.max, bound=0.5),
    ]
