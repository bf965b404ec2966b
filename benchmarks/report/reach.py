"""How far it reaches: each figure with what was asked for at least, what was aimed at, and the distance."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.contestants import CEILING, DURABLE_DIRECT, ON_POSTGRES, TUNED_DIRECT
from benchmarks.report import summary
from benchmarks.report.summary import by_connections, by_contestant, by_rows, median, ratio

CROWDS = (256, 512)
LARGE, EMPTY = 10_000_000, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One figure."""

    title: str
    measured: float | None
    """None when it was not measured in this run."""
    at_least: float
    aim: float | None = None
    more_is_better: bool = True
    unit: str = "x"

    def reaches(self, goal: float | None) -> bool:
        if self.measured is None or goal is None:
            return False
        return self.measured >= goal if self.more_is_better else self.measured <= goal

    def verdict(self) -> str:
        """Return `aim reached`, `reached`, or by how much it falls short."""
        if self.measured is None:
            return "not measured"
        if self.reaches(self.aim):
            return "aim reached"
        if self.reaches(self.at_least):
            return "reached"
        if not self.at_least:
            return f"missed by {self.show(self.measured)}"
        distance = abs(self.measured - self.at_least) / self.at_least
        return f"{distance:.0%} {'below' if self.more_is_better else 'above'}"

    def show(self, value: float | None) -> str:
        """Return a value with its unit."""
        if value is None:
            return ""
        if self.unit == "x":
            return f"{value:.3g}x" if value < 0.1 else f"{value:.2f}x"
        if self.unit == "ms":
            return f"{value:.1f} ms"
        return f"{value:,.0f} {self.unit}".strip()


def reach(figures: Mapping[str, Any]) -> list[Reach]:
    """Return all figures that were asked for, whether they were measured or not."""
    return [*_rates(figures), *_crowds(figures), *_latencies(figures), *_volumes(figures), *_growth(figures)]


def _rates(figures: Mapping[str, Any]) -> Iterator[Reach]:
    table = by_contestant(figures.get("table") or [])
    rates = {name: found.rate for name, found in table.items()}
    p99s = {name: found.p99 for name, found in table.items()}
    waiting = rates.get("one-writer")
    yield Reach(
        title=f"waiting 201 against {TUNED_DIRECT}",
        measured=ratio(waiting, rates.get(TUNED_DIRECT)),
        at_least=3.5,
        aim=5,
    )
    best, name = _best(rates, DURABLE_DIRECT)
    yield Reach(
        title=f"the same against the quickest direct way{name}",
        measured=ratio(waiting, best),
        at_least=2.5,
        aim=3.3,
    )
    best, name = _best(p99s, DURABLE_DIRECT, more_is_better=False)
    yield Reach(
        title=f"p99 against the direct way with the lowest p99{name}",
        measured=ratio(p99s.get("one-writer"), best),
        at_least=0.8,
        aim=0.5,
        more_is_better=False,
    )
    best, name = _best(rates, ON_POSTGRES)
    yield Reach(
        title=f"waiting 201 against Django + PostgreSQL, its best server{name}",
        measured=ratio(waiting, best),
        at_least=2.7,
        aim=3.5,
    )
    yield Reach(
        title="the same against the no-op view under the same server",
        measured=ratio(waiting, rates.get(CEILING)),
        at_least=0.65,
        aim=0.75,
    )
    yield Reach(
        title="respond-async (202) against the no-op view",
        measured=ratio(rates.get("one-writer-async"), rates.get(CEILING)),
        at_least=0.75,
        aim=0.9,
    )
    yield Reach(
        title=f"p99 against {TUNED_DIRECT}",
        measured=ratio(p99s.get("one-writer"), p99s.get(TUNED_DIRECT)),
        at_least=0.08,
        aim=0.05,
        more_is_better=False,
    )


def _best(
    figures: Mapping[str, float], names: Iterable[str], *, more_is_better: bool = True
) -> tuple[float | None, str]:
    """Return the best figure of those that took part, and whose it is in brackets; None when none did."""
    found = [(figures[name], name) for name in names if name in figures]
    if not found:
        return None, ""
    figure, name = max(found) if more_is_better else min(found)
    return figure, f" ({name})"


def _crowds(figures: Mapping[str, Any]) -> Iterator[Reach]:
    crowds = by_connections(figures.get("connections") or []).get("one-writer", {})
    found = [crowds[level] for level in CROWDS if level in crowds]
    yield Reach(
        title="errors and time-outs at 256 and 512 connections",
        measured=float(sum(level.errors + level.timeouts for level in found)) if found else None,
        at_least=0,
        aim=0,
        more_is_better=False,
        unit="",
    )


def _latencies(figures: Mapping[str, Any]) -> Iterator[Reach]:
    lone = {name: found.p50 for name, found in by_contestant(figures.get("lone") or []).items()}
    yield Reach(
        title=f"lone client, p50, against {TUNED_DIRECT}",
        measured=ratio(lone.get("one-writer"), lone.get(TUNED_DIRECT)),
        at_least=1.4,
        aim=1.2,
        more_is_better=False,
    )
    quiet = figures.get("quiet") or {}
    write, round_trip = median(quiet.get("one-writer")), median(quiet.get("celery"))
    yield Reach(
        title="one write after a second of quiet, p50",
        measured=write * 1e3 if write is not None else None,
        at_least=12,
        aim=6,
        more_is_better=False,
        unit="ms",
    )
    yield Reach(
        title="the same against a bare Celery round trip",
        measured=ratio(write, round_trip),
        at_least=1.3,
        aim=1,
        more_is_better=False,
    )


def _volumes(figures: Mapping[str, Any]) -> Iterator[Reach]:
    backlog = [found for found in figures.get("backlog") or [] if not found["fault"]]
    yield Reach(
        title="draining queued creates, with isolation and receipts",
        measured=median([found["rate"] for found in backlog]),
        at_least=25_000,
        aim=40_000,
        unit="/s",
    )
    bulk = summary.summarize(figures.get("bulk") or [])
    yield Reach(
        title="bulk create, 1,000 per request, 4 clients",
        measured=bulk.rate if bulk else None,
        at_least=30_000,
        aim=60_000,
        unit="items/s",
    )
    yield Reach(
        title="Redis memory per small queued write",
        measured=median([found["redis_bytes_per_write"] for found in backlog]),
        at_least=250,
        aim=120,
        more_is_better=False,
        unit="bytes",
    )


def _growth(figures: Mapping[str, Any]) -> Iterator[Reach]:
    growth = figures.get("growth") or {}
    rates = {rows: found.rate for rows, found in by_rows(growth.get("samples") or []).items()}
    yield Reach(
        title="rate with 10 million rows against empty",
        measured=ratio(rates.get(LARGE), rates.get(EMPTY)),
        at_least=0.95,
        aim=1,
    )
    readers = figures.get("readers") or {}
    alone = summary.summarize(readers.get("writes_alone") or [])
    together = summary.summarize(readers.get("writes_with_readers") or [])
    yield Reach(
        title="rate while 16 readers read, against none",
        measured=ratio(together.rate, alone.rate) if together and alone else None,
        at_least=0.7,
        aim=0.9,
    )
    yield Reach(
        title="reads' p99 while written, against an idle writer",
        measured=ratio(_p99(readers.get("reads_with_writes")), _p99(readers.get("reads_alone"))),
        at_least=2,
        aim=1.3,
        more_is_better=False,
    )
    pages = growth.get("pages") or {}
    yield Reach(
        title="list page 10,000 against page 1, 10 million rows",
        measured=ratio(median(pages.get("deep")), median(pages.get("first"))),
        at_least=1.2,
        aim=1,
        more_is_better=False,
    )


def _p99(reads: Any) -> float | None:
    return median([found["p99"] for found in reads]) if reads else None
