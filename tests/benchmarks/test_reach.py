from typing import Any

import pytest

from benchmarks.report.reach import Reach, reach
from tests.benchmarks.test_summary import sample


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(3.0, "aim reached"), (2.5, "reached"), (2.0, "20% below"), (None, "not measured")],
)
def test_more_is_better_for_rates(measured: float | None, verdict: str) -> None:
    assert Reach(title="rate", measured=measured, at_least=2.5, aim=3).verdict() == verdict


@pytest.mark.parametrize(
    ("measured", "verdict"), [(0.08, "aim reached"), (0.12, "reached"), (0.18, "50% above")]
)
def test_less_is_better_for_latencies(measured: float, verdict: str) -> None:
    figure = Reach(title="p99", measured=measured, at_least=0.12, aim=0.08, more_is_better=False)

    assert figure.verdict() == verdict


def test_where_none_are_allowed_the_number_is_the_distance() -> None:
    figure = Reach(title="errors", measured=7, at_least=0, aim=0, more_is_better=False, unit="")

    assert figure.verdict() == "missed by 7"


def test_a_figure_without_an_aim_is_reached_at_most() -> None:
    assert Reach(title="readers", measured=0.9, at_least=0.6).verdict() == "reached"


def test_values_are_shown_with_their_units() -> None:
    assert Reach(title="", measured=0, at_least=1).show(0.0876) == "0.0876x"
    assert Reach(title="", measured=0, at_least=1).show(2.5) == "2.50x"
    assert Reach(title="", measured=0, at_least=1, unit="ms").show(12) == "12.0 ms"
    assert Reach(title="", measured=0, at_least=1, unit="items/s").show(30_000) == "30,000 items/s"


def figures() -> dict[str, Any]:
    """A run in which everything was measured."""
    table = [
        sample(rate, contestant=name, result={"p99": p99})
        for name, rate, p99 in (
            ("noop", 4_000, 0.03),
            ("direct-full", 600, 0.9),
            ("direct-full-sync", 800, 0.1),
            ("direct-full-granian", 1_000, 0.2),
            # Not durable, so it is not the quickest direct way that counts.
            ("direct-normal", 2_000, 0.01),
            ("postgres", 750, 0.3),
            ("postgres-gevent", 1_500, 0.4),
            ("one-writer", 3_000, 0.045),
            ("one-writer-async", 3_800, 0.02),
        )
    ]
    crowds = [sample(1, connections=256, errors=1), sample(1, connections=512, timeouts=2)]
    reads_alone, reads_together = {"p99": 0.01}, {"p99": 0.02}
    return {
        "table": table,
        "connections": [*crowds, sample(1, contestant="direct-full", connections=256, errors=99)],
        "lone": [
            sample(1, result={"p50": 0.003}),
            sample(1, contestant="direct-full", result={"p50": 0.002}),
        ],
        "quiet": {"one-writer": [0.005, 0.006, 0.007], "celery": [0.003]},
        "backlog": [{"rate": 20_000, "redis_bytes_per_write": 200, "fault": ""}],
        "bulk": [sample(40, items=1_000)],
        "growth": {
            "samples": [sample(100, store_rows=0), sample(95, store_rows=10_000_000)],
            "pages": {"first": [0.010], "deep": [0.011]},
        },
        "readers": {
            "writes_alone": [sample(100)],
            "writes_with_readers": [sample(70)],
            "reads_alone": [reads_alone],
            "reads_with_writes": [reads_together],
        },
    }


def test_each_figure_is_taken_from_where_it_was_measured() -> None:
    measured = [one.measured for one in reach(figures())]

    assert measured == pytest.approx(
        [5, 3, 0.45, 2, 0.75, 0.95, 0.05, 3, 1.5, 6, 2, 20_000, 40_000, 200, 0.95, 0.7, 2, 1.1]
    )


def test_those_that_are_the_best_of_the_run_are_named() -> None:
    titles = [one.title for one in reach(figures())]

    assert "the same against the quickest direct way (direct-full-granian)" in titles
    assert "p99 against the direct way with the lowest p99 (direct-full-sync)" in titles
    assert "waiting 201 against Django + PostgreSQL, its best server (postgres-gevent)" in titles


def test_the_best_is_the_best_of_those_that_took_part_and_whose_rows_were_there() -> None:
    found = figures()
    for one in found["table"]:
        if one["contestant"] == "direct-full-granian":
            one["fault"] = "1 of 4,000 rows are missing"
    found["table"] = [
        one for one in found["table"] if one["contestant"] not in {"postgres", "postgres-gevent"}
    ]
    by_title = {one.title: one for one in reach(found)}

    assert by_title["the same against the quickest direct way (direct-full-sync)"].measured == 3_000 / 800
    postgres = by_title["waiting 201 against Django + PostgreSQL, its best server"]
    assert postgres.verdict() == "not measured"


def test_nothing_measured_is_nothing_reached() -> None:
    assert {one.verdict() for one in reach({})} == {"not measured"}


def test_a_backlog_whose_rows_are_missing_does_not_count() -> None:
    found = figures()
    found["backlog"][0]["fault"] = "199,999 rows of 200,000"

    assert [one.verdict() for one in reach(found)][11] == "not measured"
