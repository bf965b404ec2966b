"""The timelines of two sessions as a picture, with places in percent: texts keep their size at any width."""

from collections.abc import Iterable
from dataclasses import dataclass

from project.demo.timelines import Doing, Span
from project.demo.two_sessions import Response

ROW_HEIGHT = 46  # of which the template knows where name and bars are
AXIS_HEIGHT = 24
TICK_SECONDS = 0.25
LEAST_PERCENT = 0.5
"""Width of a bar that would be too thin to be seen."""

WORDS = {Doing.WORKS: "works", Doing.WAITS: "waits", Doing.HOLDS: "holds the write lock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One span, in percent of the width."""

    doing: str
    x: str
    width: str
    text: str
    """What it tells, for who hovers and for who listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One session, or the writer."""

    name: str
    y: int
    result: str
    """What came of it; empty for the writer."""
    is_good: bool
    bars: list[Bar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One way, drawn."""

    key: str
    title: str
    about: str
    rows: list[Row]
    ticks: list[tuple[str, str]]
    """Place and label of each mark of the axis."""
    height: int
    told: str
    """All of it in words."""


def draw(
    key: str, title: str, about: str, spans: Iterable[Span], responses: Iterable[Response], *, seconds: float
) -> Picture:
    """Return the picture of one way; `seconds` is what its width stands for."""
    spans = list(spans)
    results = {response.session: response for response in responses}
    rows = [
        _row(who, place, [span for span in spans if span.who == who], results.get(who), seconds)
        for place, who in enumerate(_order(spans))
    ]
    ticks = [
        (_percent(TICK_SECONDS * number, seconds), f"{TICK_SECONDS * number:g} s")
        for number in range(int(seconds / TICK_SECONDS + 1e-9) + 1)
    ]
    return Picture(
        key=key,
        title=title,
        about=about,
        rows=rows,
        ticks=ticks,
        height=ROW_HEIGHT * len(rows) + AXIS_HEIGHT,
        told=" ".join(
            f"{row.name}: {', '.join([bar.text for bar in row.bars] + _end(row))}." for row in rows
        ),
    )


def _end(row: Row) -> list[str]:
    return [row.result] if row.result else []


def _order(spans: list[Span]) -> list[str]:
    return sorted({span.who for span in spans}, key=lambda who: (len(who) > 1, who))  # the writer last


def _row(who: str, place: int, spans: list[Span], response: Response | None, seconds: float) -> Row:
    result = f"{response.text}, after {response.seconds:.2f} s" if response else ""
    return Row(
        name=f"Session {who}" if response else "The writer",
        y=place * ROW_HEIGHT,
        result=result,
        is_good=response is None or response.ok,
        bars=[_bar(span, seconds) for span in spans],
    )


def _bar(span: Span, seconds: float) -> Bar:
    width = max(LEAST_PERCENT, 100 * (span.ends - span.begins) / seconds)
    return Bar(
        doing=span.doing,
        x=_percent(span.begins, seconds),
        width=f"{width:.2f}%",
        text=f"{WORDS[span.doing]} from {span.begins:.2f} to {span.ends:.2f} s",
    )


def _percent(moment: float, seconds: float) -> str:
    return f"{100 * moment / seconds:.2f}%"
