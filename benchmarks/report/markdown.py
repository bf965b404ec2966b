"""The results as Markdown, for people and for the README."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.contestants import TUNED_DIRECT
from benchmarks.report.reach import reach
from benchmarks.report.summary import Sample, Summary, by_connections, by_contestant, by_rows, ratio

PLOTS = {
    "rate.svg": "Writes per second at 64 connections",
    "latency.svg": "Latency at 64 connections, by percentile",
    "connections.svg": "Rate and p99 against connections",
    "rows.svg": "Rate against rows in the store",
}


def document(results: Mapping[str, Any], plots: Sequence[str]) -> str:
    """Return the whole of results.md."""
    figures, contestants = results["figures"], results["contestants"]
    parts = ["# Results", _run(results)]
    if figures.get("table"):
        parts += ["## 64 connections, closed loop", comparison(figures["table"], contestants)]
    parts += ["## Reach", reach_table(figures)]
    slow = figures.get("slow-disk")
    if slow:
        seconds = slow["commit_seconds"]["slowed"]
        parts += [
            f"## The same with slow commits ({seconds * 1e3:.1f} ms for an fdatasync)",
            comparison(slow["samples"], contestants),
        ]
    if figures.get("connections"):
        parts += ["## Connections", _connections(figures["connections"])]
    if figures.get("growth"):
        parts += ["## Rows in the store", _rows(figures["growth"]["samples"])]
    parts += [f"![{PLOTS[name]}]({name})" for name in plots]
    if results["skipped"]:
        lines = "\n".join(f"- {name}: {_one_line(why)}" for name, why in results["skipped"].items())
        parts += ["## Left out", lines]
    parts += ["## Machine", _machine(results["machine"])]
    return "\n\n".join(parts) + "\n"


def comparison(samples: Sequence[Sample], contestants: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of all contestants: medians over the rounds, with the rates' spread."""
    found = by_contestant(samples)
    base = found.get(TUNED_DIRECT)
    rows = [
        [
            contestants[name]["label"],
            f"{one.rate:,.0f}",
            f"{one.lowest:,.0f}-{one.highest:,.0f}",
            _times(ratio(one.rate, base.rate if base else None)),
            *(_milliseconds(value) for value in (one.p50, one.p99, one.max)),
            f"{one.errors:,}",
            f"{one.timeouts:,}",
            contestants[name]["durability"] + _notes(one),
        ]
        for name, one in found.items()
    ]
    rows += [
        [contestants[name]["label"], "invalid", *[""] * 7, f"rows: {sample['fault']}"]
        for name, sample in {sample["contestant"]: sample for sample in samples}.items()
        if name not in found
    ]
    header = ["", "writes/s", "spread", f"against {TUNED_DIRECT}", "p50 ms", "p99 ms", "max ms"]
    return table([*header, "errors", "time-outs", "durability"], rows)


def reach_table(figures: Mapping[str, Any]) -> str:
    """Return the figures that were asked for, reached or not."""
    rows = [
        [one.title, one.show(one.measured), one.show(one.at_least), one.show(one.aim), one.verdict()]
        for one in reach(figures)
    ]
    return table(["figure", "measured", "at least", "aim", "verdict"], rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column left-aligned and numbers as they come."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _run(results: Mapping[str, Any]) -> str:
    options, machine = results["options"], results["machine"]
    return (
        f"{machine['date']}, commit {machine['commit']}: `{machine['command']}` on {machine['cpu']}, "
        f"{machine['cores']} cores. {options['rounds']} interleaved rounds of {options['seconds']:g} s each, "
        f"medians; load from {machine['load driver']}. Every success was looked for in its store."
    )


def _connections(samples: Sequence[Sample]) -> str:
    found = by_connections(samples)
    levels = sorted({level for summaries in found.values() for level in summaries})
    rows = [[name, *(_level(summaries.get(level)) for level in levels)] for name, summaries in found.items()]
    return table(["writes/s · p99 ms · errors + time-outs", *(str(level) for level in levels)], rows)


def _level(one: Summary | None) -> str:
    if one is None:
        return "invalid"
    return f"{one.rate:,.0f} · {one.p99 * 1e3:,.0f} · {one.errors + one.timeouts:,}"


def _rows(samples: Sequence[Sample]) -> str:
    rows = [
        [f"{count:,}", f"{one.rate:,.0f}", f"{one.lowest:,.0f}-{one.highest:,.0f}", _milliseconds(one.p99)]
        for count, one in by_rows(samples).items()
    ]
    return table(["rows", "writes/s", "spread", "p99 ms"], rows)


def _machine(machine: Mapping[str, str]) -> str:
    return table(["", ""], [[name, text] for name, text in machine.items()])


def _notes(one: Summary) -> str:
    notes = f"; all rows {one.drain_seconds:.1f} s after the last answer" if one.drain_seconds > 1 else ""
    return notes + (f"; {len(one.faults)} rounds invalid: {one.faults[0]}" if one.faults else "")


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1e3
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
