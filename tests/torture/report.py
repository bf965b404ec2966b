"""A run in figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median, quantiles

from tests.torture.facts import Violation
from tests.torture.history import History
from tests.torture.nemesis import Injected
from tests.torture.snapshot import Snapshot

SHOWN_VIOLATIONS = 50


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that is known of a run."""

    seed: str
    seconds: float
    injected: Sequence[Injected]
    history: History
    snapshot: Snapshot
    violations: Sequence[Violation]
    deaths: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=list)

    @property
    def faults(self) -> list[Injected]:
        return [one for one in self.injected if not one.was_skipped]

    @property
    def commits(self) -> list[float]:
        """When something was committed, in order."""
        return sorted({receipt.committed_at for receipt in self.snapshot.receipts})

    @property
    def longest_gap_seconds(self) -> float:
        return max((second - first for first, second in pairwise(self.commits)), default=0.0)


def recoveries(injected: Sequence[Injected], commits: Sequence[float]) -> list[tuple[float, Injected]]:
    """Return, for each fault, the seconds from its end to the next commit."""
    found = []
    for fault in injected:
        later = next((moment for moment in commits if moment > fault.ended_at), None)
        if later is not None:
            found.append((later - fault.ended_at, fault))
    return found


def describe(run: Run) -> str:
    """Return the report."""
    seconds = sorted(recoveries(run.faults, run.commits), key=lambda pair: pair[0])
    times = [one for one, _ in seconds] or [0.0]
    p95 = quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]
    verdicts = Counter(str(sent.verdict) for sent in run.history.writes)
    attempts = sum(len(sent.attempts) for sent in run.history.writes)
    outcomes = Counter(receipt.status for receipt in run.snapshot.receipts)
    lines = [
        f"seed                {run.seed}",
        f"duration            {run.seconds:.0f} s",
        f"faults injected     {len(run.faults)}",
        *_by_kind(run.faults, run.commits),
        f"not possible        {len(run.injected) - len(run.faults)}",
        *(f"  {name}: {note}" for name, note in _skipped(run.injected)),
        f"parts that died     {len(run.deaths)} by themselves",
        *(f"  {death}" for death in run.deaths[:10]),
        f"writes sent         {len(run.history.writes)} in {attempts} requests",
        *(f"  {name:<18}{count}" for name, count in sorted(verdicts.items())),
        f"  by kind           {dict(Counter(sent.operation for sent in run.history.writes))}",
        f"writes checked      {len(run.history.writes)} against {len(run.snapshot.receipts)} receipts"
        f" ({', '.join(f'{count} {name}' for name, count in sorted(outcomes.items()))})"
        f" and {len(run.snapshot.rows)} rows",
        f"longest gap         {run.longest_gap_seconds:.2f} s between two commits",
        f"recovery            median {median(times):.2f} s, p95 {p95:.2f} s, longest {times[-1]:.2f} s"
        + (f" ({seconds[-1][1].name})" if seconds else ""),
        *run.notes,
        f"violations          {len(run.violations)}"
        f" {dict(Counter(violation.kind for violation in run.violations)) or ''}",
        *(f"  {violation}" for violation in run.violations[:SHOWN_VIOLATIONS]),
    ]
    return "\n".join(lines)


def _by_kind(faults: Sequence[Injected], commits: Sequence[float]) -> list[str]:
    lines = []
    for name, count in Counter(fault.name for fault in faults).most_common():
        times = [one for one, fault in recoveries(faults, commits) if fault.name == name] or [0.0]
        lines.append(
            f"  {name:<28}{count:>4}   recovery median {median(times):.2f} s, longest {max(times):.2f} s"
        )
    return lines


def _skipped(injected: Sequence[Injected]) -> list[tuple[str, str]]:
    return sorted({(one.name, one.note[:160]) for one in injected if one.was_skipped})
