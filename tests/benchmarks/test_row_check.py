from collections.abc import Iterator

import pytest

from benchmarks.contestants.server import Rows
from benchmarks.row_check import settled, verdict


@pytest.mark.parametrize("rows", [100, 101, 164])
def test_every_success_has_its_row_and_requests_under_way_may_have_one(rows: int) -> None:
    assert verdict(Rows(rows, rows), successes=100, in_flight=64, errors=0) == ""


def test_a_missing_row_is_found() -> None:
    assert verdict(Rows(99, 99), successes=100, in_flight=64, errors=0) == "1 of 100 rows are missing"


def test_a_row_too_many_is_found() -> None:
    fault = verdict(Rows(165, 165), successes=100, in_flight=64, errors=0)

    assert fault == "165 rows where at most 164 were asked for"


def test_a_request_that_failed_may_have_taken_effect() -> None:
    assert verdict(Rows(165, 165), successes=100, in_flight=64, errors=1) == ""


def test_a_doubled_row_is_found_even_where_there_is_room_for_more() -> None:
    assert verdict(Rows(101, 100), successes=100, in_flight=64, errors=0) == "1 rows are doubled"


def test_requests_of_many_items_have_that_many_rows_each() -> None:
    assert verdict(Rows(2_000, 2_000), successes=2, in_flight=4, errors=0, items=1_000) == ""
    assert "missing" in verdict(Rows(1_999, 1_999), successes=2, in_flight=4, errors=0, items=1_000)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def counts(*rows: int) -> Iterator[Rows]:
    yield from (Rows(count, count) for count in rows)
    while True:
        yield Rows(rows[-1], rows[-1])


def count_until_settled(*rows: int, wanted: int) -> tuple[Rows, float]:
    clock, source = Clock(), counts(*rows)
    found = settled(lambda: next(source), wanted=wanted, within_seconds=10, clock=clock, sleep=clock.sleep)
    return found, clock.now


def test_counting_ends_when_all_rows_are_there_and_no_more_come() -> None:
    found, seconds = count_until_settled(50, 100, 103, wanted=100)

    assert found == Rows(103, 103)
    assert seconds < 1


def test_counting_goes_on_while_rows_are_missing_though_none_come_for_a_while() -> None:
    assert count_until_settled(50, 50, 50, 100, wanted=100)[0] == Rows(100, 100)


def test_counting_ends_when_time_is_up() -> None:
    found, seconds = count_until_settled(50, wanted=100)

    assert found == Rows(50, 50)
    assert 10 <= seconds < 11
