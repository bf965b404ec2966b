"""The results as SVG plots. Colours are Okabe and Ito's, which colour-blind people can tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.load import BUCKETS_PER_DECADE
from benchmarks.report.summary import by_connections, by_contestant, by_rows, percentiles

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK, GREY = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#8A8A8A"),
)
COLOURS = {
    "one-writer": BLUE,
    "noop": GREY,
    "direct-full": VERMILION,
    "direct-full-sync": ORANGE,
    "direct-full-gevent": PURPLE,
    "direct-full-granian": BLACK,
    "django-bolt": SKY,
    "postgres": GREEN,
}
DISTRIBUTIONS = (
    *("noop", "direct-full", "direct-full-sync", "direct-full-granian", "django-bolt", "postgres"),
    "one-writer",
)
NINES = (0.5, 0.9, 0.99, 0.999)
STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "one-writer",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "axes.axisbelow": True,
}


def draw(results: Mapping[str, Any], output: Path) -> list[str]:
    """Draw what was measured into `output`; return the names of the files."""
    figures, contestants = results["figures"], results["contestants"]
    drawn = []
    with pyplot.rc_context(STYLE):
        if figures.get("table"):
            drawn.append(_save(_rates(figures["table"], contestants), output / "rate.svg"))
            drawn.append(_save(_distributions(figures["table"], contestants), output / "latency.svg"))
        if figures.get("connections"):
            drawn.append(_save(_connections(figures["connections"]), output / "connections.svg"))
        if figures.get("growth"):
            drawn.append(_save(_rows(figures["growth"]["samples"]), output / "rows.svg"))
    return drawn


def _rates(samples: Sequence[Any], contestants: Mapping[str, Any]) -> Figure:
    """Draw one bar for each contestant, with the spread of its rounds."""
    found = sorted(by_contestant(samples).items(), key=lambda pair: pair[1].rate)
    figure, axes = pyplot.subplots(figsize=(8, 0.36 * len(found) + 1.2), layout="constrained")
    for place, (name, one) in enumerate(found):
        ours, durable = name.startswith("one-writer"), contestants[name]["is_durable"]
        colour = BLUE if ours else GREY
        axes.barh(
            place,
            one.rate,
            height=0.7,
            color=colour if durable else "white",
            edgecolor=colour,
            hatch=None if durable else "////",
        )
        axes.plot([one.lowest, one.highest], [place, place], color="black", linewidth=1)
        axes.annotate(
            f"{one.rate:,.0f}", (max(one.rate, one.highest), place), xytext=(4, 0), **_TEXT, va="center"
        )
    axes.set_yticks(range(len(found)), [contestants[name]["label"] for name, _ in found])
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.08)
    axes.set_title("Writes per second, 64 connections")
    axes.set_xlabel("hatched: not durable; black line: from the slowest to the fastest round")
    return figure


_TEXT: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}


def _distributions(samples: Sequence[Any], contestants: Mapping[str, Any]) -> Figure:
    """Draw latency by percentile, on a scale that gives each further nine the same width."""
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    shares = sorted({1 - 10 ** (-step / 20) for step in range(1, 61)})
    labels = []
    for name in DISTRIBUTIONS:
        chosen = [sample for sample in samples if sample["contestant"] == name]
        latencies = percentiles(chosen, shares, BUCKETS_PER_DECADE)
        if latencies:
            across = [1 / (1 - share) for share in shares[: len(latencies)]]
            down = [latency * 1e3 for latency in latencies]
            axes.plot(across, down, color=COLOURS[name], linewidth=2)
            labels.append((down[-1], across[-1], name, contestants[name]["label"]))
    axes.set_xscale("log")
    axes.set_yscale("log")
    _label_ends(axes, [(y, x, COLOURS[name], label) for y, x, name, label in labels])
    axes.set_xticks([1 / (1 - share) for share in NINES], [f"{share * 100:g} %" for share in NINES])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("share of the answers that were at least as quick")
    axes.set_title("Latency in milliseconds, 64 connections")
    return figure


def _connections(samples: Sequence[Any]) -> Figure:
    """Draw rate and p99 against connections; a cross marks errors or time-outs."""
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    ends: tuple[list[Any], list[Any]] = ([], [])
    for name, levels in by_connections(samples).items():
        across = list(levels)
        bad = [level for level, one in levels.items() if one.errors + one.timeouts]
        values = (
            {level: one.rate for level, one in levels.items()},
            {level: one.p99 * 1e3 for level, one in levels.items()},
        )
        for axes, series, labels in zip(panels, values, ends, strict=True):
            axes.plot(
                across, list(series.values()), color=COLOURS[name], linewidth=2, marker="o", markersize=4
            )
            axes.plot(bad, [series[level] for level in bad], "x", color="black", markersize=8)
            labels.append((series[across[-1]], across[-1], COLOURS[name], name))
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("connections (cross: errors or time-outs)")
    panels[1].set_yscale("log")
    panels[1].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[0].set_ylim(bottom=0)
    for axes, labels in zip(panels, ends, strict=True):
        _label_ends(axes, labels)
    panels[0].set_title("Writes per second")
    panels[1].set_title("p99 in milliseconds")
    return figure


def _rows(samples: Sequence[Any]) -> Figure:
    """Draw this service's rate against the rows that its store holds."""
    found = by_rows(samples)
    figure, axes = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    places = range(len(found))
    rates = [one.rate for one in found.values()]
    axes.plot(places, rates, color=BLUE, linewidth=2, marker="o")
    for place, one in zip(places, found.values(), strict=True):
        axes.plot([place, place], [one.lowest, one.highest], color="black", linewidth=1)
        axes.annotate(f"{one.rate:,.0f}", (place, one.highest), xytext=(0, 6), **_TEXT, ha="center")
    axes.set_xticks(places, [f"{rows:,}" for rows in found])
    axes.set_xlabel("rows in the store before")
    axes.set_ylim(0, max(one.highest for one in found.values()) * 1.2)
    axes.margins(x=0.15)
    axes.set_title("One Writer, writes per second, 64 connections")
    return figure


def _label_ends(axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Name each line at its right end, the names pushed apart where they would overlap."""
    least, last = 13.0, float("-inf")
    for value, across, colour, text in sorted(labels):
        pixels = axes.transData.transform((across, value))[1] * 72 / axes.figure.dpi
        shift = max(0.0, last + least - pixels)
        last = pixels + shift
        axes.annotate(text, (across, value), xytext=(6, shift), color=colour, **_TEXT, va="center")


def _save(figure: Figure, path: Path) -> str:
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path.name
