"""What clients asked for and were told, and whether the rows agree.

A *thing* has a name that no other thing of the run has, and is changed by one client only. A *tally* counts
what has no name: views of pages, say, by the user who viewed them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

GONE = None
"""The value of a thing that is not in the store."""

_Values = frozenset[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What came of looking for everything. `lost` and `duplicates` are broken promises of successes."""

    looked_for: int = 0
    """Successful changes that were looked for in the rows."""
    lost: int = 0
    duplicates: int = 0
    failed_yet_done: int = 0
    """Requests that were told of an error (5xx) and took effect all the same."""
    examples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Thing:
    told: _Values = frozenset([GONE])
    """What it may be by what its client was told."""
    feared: _Values = frozenset()
    """What it would be if a request that failed took effect all the same."""
    successes: int = 0


@dataclass(slots=True)
class _Tally:
    successes: int = 0
    failures: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Ledger:
    """Kept while the load runs. A status of 0 stands for no response, after which either may be true."""

    _things: dict[tuple[str, str], _Thing] = field(default_factory=dict)
    _tallies: dict[tuple[str, str], _Tally] = field(default_factory=dict)

    def change(self, kind: str, name: str, value: str | None, *, status: int, is_success: bool) -> None:
        """Note a request that gives a thing this value, or takes it away (GONE)."""
        thing = self._things.setdefault((kind, name), _Thing())
        if is_success:
            thing.told, thing.feared = frozenset([value]), frozenset()
            thing.successes += 1
        elif status >= 500:
            thing.feared |= {value}
        elif status == 0:
            thing.told |= {value}

    def count(self, kind: str, name: str, *, status: int, is_success: bool) -> None:
        """Note a request that adds one to a tally."""
        tally = self._tallies.setdefault((kind, name), _Tally())
        if is_success:
            tally.successes += 1
        elif status >= 500:
            tally.failures += 1
        elif status == 0:
            tally.unknown += 1

    def check(self, rows: Mapping[str, Iterable[tuple[str, str]]]) -> Check:
        """Compare with the rows, by kind: (name, value) of things, (name, count) of tallies."""
        found: dict[tuple[str, str], list[str]] = {}
        for kind, pairs in rows.items():
            for name, value in pairs:
                found.setdefault((kind, str(name)), []).append(str(value))
        verdicts = [_thing_verdict(key, thing, found.get(key, [])) for key, thing in self._things.items()]
        verdicts += [_tally_verdict(key, tally, found.get(key, [])) for key, tally in self._tallies.items()]
        return total(verdicts)


def total(checks: Iterable[Check]) -> Check:
    """Return the sum, with the first few examples."""
    everything = list(checks)
    return Check(
        looked_for=sum(one.looked_for for one in everything),
        lost=sum(one.lost for one in everything),
        duplicates=sum(one.duplicates for one in everything),
        failed_yet_done=sum(one.failed_yet_done for one in everything),
        examples=tuple(example for one in everything for example in one.examples)[:10],
    )


def _thing_verdict(key: tuple[str, str], thing: _Thing, rows: list[str]) -> Check:
    name = " ".join(key)
    if len(rows) > 1:
        return Check(
            looked_for=thing.successes, duplicates=len(rows) - 1, examples=(f"{name}: {len(rows)} rows",)
        )
    value = rows[0] if rows else GONE
    if value in thing.told:
        return Check(looked_for=thing.successes)
    if value in thing.feared:
        # The request before it may have succeeded; what it made is not lost, it was changed since.
        return Check(looked_for=thing.successes, failed_yet_done=1, examples=(f"{name}: an error, yet done",))
    told = ", ".join(sorted(map(str, thing.told)))
    return Check(looked_for=thing.successes, lost=1, examples=(f"{name}: {value}, not {told}",))


def _tally_verdict(key: tuple[str, str], tally: _Tally, rows: list[str]) -> Check:
    name = " ".join(key)
    counted = sum(int(value) for value in rows)
    beyond = counted - tally.successes
    told = f"{name}: {counted} counted of {tally.successes} successes"
    if beyond < 0:
        return Check(looked_for=tally.successes, lost=-beyond, examples=(told,))
    yet_done = min(max(0, beyond - tally.unknown), tally.failures)
    duplicates = max(0, beyond - tally.unknown - tally.failures)
    examples = (told,) if yet_done or duplicates else ()
    return Check(
        looked_for=tally.successes, duplicates=duplicates, failed_yet_done=yet_done, examples=examples
    )
