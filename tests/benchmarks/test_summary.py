from typing import Any

import pytest

from benchmarks.report.summary import by_connections, by_contestant, median, percentiles, ratio, summarize


def sample(rate: float, **changes: Any) -> dict[str, Any]:
    result = {"p50": 0.01, "p99": 0.05, "max": 0.1, "histogram": {}} | changes.pop("result", {})
    return {
        "contestant": "one-writer",
        "connections": 64,
        "items": 1,
        "rate": rate,
        "errors": 0,
        "timeouts": 0,
        "fault": "",
        "drain_seconds": 0.0,
        "result": result,
    } | changes


def test_the_median_of_the_rounds_counts_and_their_spread_is_kept() -> None:
    summary = summarize([sample(30), sample(10), sample(20)])

    assert summary is not None
    assert (summary.rate, summary.lowest, summary.highest) == (20, 10, 30)


def test_a_round_whose_rows_are_missing_does_not_count_but_is_told() -> None:
    summary = summarize([sample(100, fault="1 of 400 rows are missing"), sample(20)])

    assert summary is not None
    assert summary.rate == 20
    assert summary.faults == ["1 of 400 rows are missing"]


def test_without_a_valid_round_there_is_no_rate() -> None:
    assert summarize([sample(100, fault="rows are missing")]) is None


def test_errors_and_time_outs_add_up_and_the_longest_response_of_all_counts() -> None:
    summary = summarize(
        [sample(1, errors=1, result={"max": 3.0}), sample(1, errors=2, timeouts=4, fault="x"), sample(1)]
    )

    assert summary is not None
    assert (summary.errors, summary.timeouts, summary.max) == (3, 4, 3.0)


def test_requests_of_many_items_count_their_items() -> None:
    summary = summarize([sample(30, items=1_000)])

    assert summary is not None
    assert summary.rate == 30_000


def test_samples_are_grouped() -> None:
    samples = [sample(1, contestant="noop"), sample(2), sample(3, connections=1)]

    assert {name: one.rate for name, one in by_contestant(samples).items()} == {"noop": 1, "one-writer": 2.5}
    assert {level: one.rate for level, one in by_connections(samples)["one-writer"].items()} == {64: 2, 1: 3}


@pytest.mark.parametrize(("value", "base"), [(None, 1.0), (1.0, None), (1.0, 0.0)])
def test_there_is_no_ratio_without_both_values(value: float | None, base: float | None) -> None:
    assert ratio(value, base) is None


def test_ratios_and_medians_are_plain_arithmetic() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert median([1.0, 9.0, 2.0]) == 2.0
    assert median([]) is None


def test_percentiles_come_from_all_rounds_and_count_a_bucket_as_its_upper_end() -> None:
    # Bucket 150 ends at 10^(151/50) microseconds, 250 at 10^(251/50). JSON has its keys as texts.
    rounds = [
        sample(1, result={"histogram": {"150": 98}}),
        sample(1, result={"histogram": {"150": 1, "250": 1}}),
        sample(1, fault="x", result={"histogram": {"350": 1_000}}),
    ]

    assert percentiles(rounds, [0.5, 0.99, 1.0], 50) == pytest.approx(
        [0.0010471, 0.0010471, 0.1047129], rel=1e-4
    )
