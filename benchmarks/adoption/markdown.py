"""The results as Markdown."""

from collections.abc import Mapping
from typing import Any

from benchmarks.adoption.summary import Goal, Summary, by_way, goals
from benchmarks.adoption.ways import TUNED
from benchmarks.report.markdown import table

HEADER = [
    *("", "ok/s", "spread", "against tuned", "p50 s", "p99 s", "max s", "requests", "errors"),
    *("successes looked for", "lost", "duplicate", "an error, yet done"),
]


def document(results: Mapping[str, Any]) -> str:
    """Return the whole document."""
    options, machine = results["options"], results["machine"]
    parts = [
        "# Two applications that nobody here wrote",
        f"{machine['date']}, commit {machine['commit']}: `{machine['command']}` on {machine['cpu']}, "
        f"{machine['cores']} cores. {options['clients']} clients in a closed loop; gunicorn, 2 processes of "
        f"{options['threads']} threads; {options['rounds']} interleaved rounds of {options['seconds']:g} s "
        "each way: medians; as maximum that of all rounds.",
    ]
    for name, site in results["sites"].items():
        found = by_way(site["samples"])
        parts += [f"## {name}: {site['package']} {site['version']}", ways_table(found, results["ways"])]
        reached = goals(found)
        if reached:
            parts.append(goals_table(reached))
        parts += [_notes(site["samples"])] if _notes(site["samples"]) else []
    rows = [[name, text] for name, text in machine.items()]
    return "\n\n".join([*parts, "## Machine", table(["", ""], rows)]) + "\n"


def ways_table(found: Mapping[str, Summary], labels: Mapping[str, str]) -> str:
    """Return a line for each way."""
    base = found.get(TUNED)
    rows = [
        [
            labels[name],
            f"{one.rate:,.1f}",
            f"{one.lowest:,.1f}-{one.highest:,.1f}",
            f"{one.rate / base.rate:.2f}x" if base and base.rate else "",
            *(f"{seconds:.2f}" for seconds in (one.p50, one.p99, one.max)),
            f"{one.requests:,}",
            _errors(one),
            *(f"{count:,}" for count in (one.check.looked_for, one.check.lost, one.check.duplicates)),
            f"{one.check.failed_yet_done:,}",
        ]
        for name, one in found.items()
    ]
    return table(HEADER, rows)


def goals_table(reached: list[Goal]) -> str:
    """Return a line for each figure that was asked for."""
    rows = [
        [
            goal.title,
            f"{goal.measured:.2f}",
            f"{'at least' if goal.is_floor else 'at most'} {goal.bound:g}",
            "reached" if goal.is_reached else "missed",
        ]
        for goal in reached
    ]
    return table(["the store lock", "measured", "asked for", ""], rows)


def _errors(one: Summary) -> str:
    parts = {
        "5xx": one.server_errors,
        "without a response": one.no_response,
        "not understood": one.unexpected,
    }
    return ", ".join(f"{count:,} {kind}" for kind, count in parts.items() if count) or "0"


def _notes(samples: list[Mapping[str, Any]]) -> str:
    """Return examples of what is not as it should be, by way."""
    lines = [
        f"- {sample['way']}, round {sample['round'] + 1}: {' '.join(str(example).split())[:200]}"
        for sample in samples
        for example in [*sample["check"]["examples"][:3], *sample["examples"][:3]]
    ]
    return "\n".join(lines[:20])
