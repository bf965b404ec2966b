"""The clients, in a process of their own: `python -m benchmarks.adoption.load --help`. Its result is JSON."""

import argparse
import asyncio
import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.adoption.ledger import Check, Ledger
from benchmarks.adoption.person import Journal, Person
from benchmarks.adoption.sites import SITES

SETTLE_SECONDS = 20.0
"""How long rows may take that a response promised; they should be there at once."""
_POLL_SECONDS = 0.2


def main() -> None:
    options = _options()
    journal, ledger = Journal(), Ledger()
    site = SITES[options.site]
    people = [
        site.person_of(number)(number, port=options.port, journal=journal, ledger=ledger)
        for number in range(options.clients)
    ]
    started = asyncio.run(_measure(people, journal, warm_up=options.warm_up, seconds=options.seconds))
    seen = summarize(journal, started=started, seconds=options.seconds)
    check = _settled(ledger, options.store, site.rows)
    options.output.write_text(json.dumps(seen | {"check": check.as_json()}))


async def _measure(people: Sequence[Person], journal: Journal, *, warm_up: float, seconds: float) -> float:
    """Let all arrive, warm up, then act for that long. Return when that began.

    What is under way at an end is waited for.
    """
    await asyncio.gather(*(person.arrive() for person in people))
    for phase in (warm_up, seconds):
        journal.entries.clear()
        started = time.perf_counter()
        await asyncio.gather(*(_act(person, started + phase) for person in people))
    for person in people:
        person.browser.close()
    return started


async def _act(person: Person, ends: float) -> None:
    while time.perf_counter() < ends:
        await person.act()


def summarize(journal: Journal, *, started: float, seconds: float) -> dict[str, Any]:
    """Return counts and latencies in seconds.

    The rate is that of the successes that were there in time; latencies and errors are those of all requests,
    also of those that ended later.
    """
    entries = journal.entries
    in_time = sum(is_success and over <= started + seconds for *_, is_success, over in entries)
    kinds = dict.fromkeys(what for what, *_ in entries)
    return {
        "seconds": seconds,
        "rate": in_time / seconds,
        "requests": len(entries),
        "statuses": dict(Counter(status for _, _, status, *_ in entries)),
        "server_errors": sum(status >= 500 for _, _, status, *_ in entries),
        "no_response": sum(status == 0 for _, _, status, *_ in entries),
        "unexpected": sum(0 < status < 500 and not fine for _, _, status, _, fine, _ in entries),
        "examples": journal.examples,
        **_latencies([spent for _, _, _, spent, *_ in entries]),
        "kinds": {
            kind: {
                "requests": len(of_kind := [entry for entry in entries if entry[0] == kind]),
                "errors": sum(not fine for *_, fine, _ in of_kind),
                **_latencies([spent for _, _, _, spent, *_ in of_kind]),
            }
            for kind in kinds
        },
    }


def _latencies(spent: Sequence[float]) -> dict[str, float]:
    ordered = sorted(spent) or [0.0]

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {"p50": at(0.5), "p99": at(0.99), "max": ordered[-1]}


def _settled(ledger: Ledger, store: Path, queries: Mapping[str, str]) -> Check:
    """Look until nothing is missing, or time is up."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (check := ledger.check(_rows(store, queries))).lost and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return check


def _rows(store: Path, queries: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    with closing(sqlite3.connect(store, timeout=30)) as connection:
        connection.execute("PRAGMA query_only = 1")
        return {kind: connection.execute(query).fetchall() for kind, query in queries.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adoption.load", description=__doc__)
    parser.add_argument("--site", choices=SITES, required=True)
    parser.add_argument("--port", type=int, required=True, help="where the site is served")
    parser.add_argument("--store", type=Path, required=True, help="its SQLite file")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=10.0, help="seconds before them, not timed")
    parser.add_argument("--output", type=Path, required=True, help="the file for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
