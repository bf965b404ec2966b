from typing import Any

import pytest

from benchmarks.adoption.ledger import Check
from benchmarks.adoption.summary import by_way, goals


def sample(
    way: str, rate: float = 100.0, *, p99: float = 1.0, longest: float = 4.0, **other: Any
) -> dict[str, Any]:
    counts = {"requests": 1_000, "server_errors": 0, "no_response": 0, "unexpected": 0, "examples": []}
    check = {**Check(looked_for=500).as_json(), **other.pop("check", {})}
    return {
        "way": way,
        "round": 0,
        "rate": rate,
        "p50": 0.1,
        "p99": p99,
        "max": longest,
        **counts,
        **other,
        "check": check,
    }


def test_the_median_of_the_rounds_counts_and_the_longest_request_of_all() -> None:
    found = by_way([sample("tuned", 90, longest=9.0), sample("tuned", 110), sample("tuned", 100)])["tuned"]

    assert (found.rate, found.lowest, found.highest) == (100, 90, 110)
    assert found.max == 9.0
    assert (found.requests, found.check.looked_for) == (3_000, 1_500)


def test_errors_of_all_kinds_are_summed() -> None:
    samples = [sample("tuned", server_errors=2, no_response=1), sample("tuned", unexpected=1)]

    assert by_way(samples)["tuned"].errors == 4


def test_a_round_after_which_rows_are_missing_is_seen_in_the_sum() -> None:
    samples = [sample("tuned", check={"lost": 2, "examples": ["page x"]}), sample("tuned")]

    found = by_way(samples)["tuned"].check
    assert (found.lost, found.examples) == (2, ("page x",))


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, []),
        ({"rate": 94.0}, ["rate against the tuned way"]),
        ({"p99": 0.7}, ["p99 against the tuned way"]),
        ({"longest": 2.1}, ["longest request against the tuned way"]),
        ({"server_errors": 1}, ["errors"]),
        ({"check": {"failed_yet_done": 1}}, ["rows lost, duplicate or there in spite of an error"]),
    ],
)
def test_the_store_lock_is_held_against_the_tuned_way(changed: dict[str, Any], missed: list[str]) -> None:
    lock = sample("store-lock", **{"rate": 96.0, "p99": 0.6, "longest": 2.0, **changed})

    reached = goals(by_way([sample("tuned"), lock]))

    assert len(reached) == 5
    assert [goal.title for goal in reached if not goal.is_reached] == missed


def test_without_the_tuned_way_there_is_nothing_to_compare_with() -> None:
    assert goals(by_way([sample("store-lock")])) == []
