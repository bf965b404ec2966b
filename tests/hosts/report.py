"""A scenario in figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.hosts.commits import Commit, first_after, longest_gap
from tests.hosts.scenarios import Moments, Scenario
from tests.torture.facts import Violation
from tests.torture.history import History

SHOWN_VIOLATIONS = 20
EVIDENCE_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True)
class Done:
    """What is known of a scenario."""

    scenario: Scenario
    moments: Sequence[Moments]
    history: History
    """Of the clients of this scenario."""
    commits: Sequence[Commit]
    violations: Sequence[Violation]
    seconds: float

    @property
    def times(self) -> list[float]:
        """Seconds from each break to the first commit of the next epoch, or to the end of the longest gap."""
        return [self._time(one) for one in self.moments]

    def _time(self, one: Moments) -> float:
        if one.epoch:
            found = first_after(self.commits, one.broken_at, above=one.epoch)
            return found.at - one.broken_at if found else float("inf")
        return longest_gap(self.commits, one.broken_at, one.well_at)

    @property
    def told(self) -> "Counter[str]":
        """What clients were told of the writes that they sent during the breaks, from a second before."""
        spans = [(one.broken_at - 1, one.well_at) for one in self.moments]
        return Counter(
            f"{attempt.status} {attempt.code}".strip() if attempt.status else "no response"
            for sent in self.history.writes
            for attempt in sent.attempts
            if any(since <= attempt.sent_at <= until for since, until in spans)
        )

    @property
    def is_bad(self) -> bool:
        return any(one.kind != "lost" or not self.scenario.may_lose for one in self.violations)


def row(done: Done) -> str:
    """Return a line of the table."""
    kinds = Counter(violation.kind for violation in done.violations)
    times = sorted(done.times)
    verdicts = Counter(str(sent.verdict) for sent in done.history.writes)
    cells = [
        done.scenario.name,
        len(done.moments),
        f"{median(times):.2f} · {times[-1]:.2f}" if times else "",
        f"{verdicts['committed']} of {len(done.history.writes)}",
        ", ".join(f"{count} {name}" for name, count in done.told.most_common()),
        ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or 0,
    ]
    return f"| {' | '.join(map(str, cells))} |"


HEAD = """\
| break | trials | s without a commit, median · longest | writes | told during the breaks | violations |
|---|---|---|---|---|---|"""


def evidence(done: Done) -> list[str]:
    """Return what the violations are."""
    return [str(one)[:EVIDENCE_CHARACTERS] for one in done.violations[:SHOWN_VIOLATIONS]]
