import pytest

from benchmarks.adoption.ledger import GONE, Check, Ledger, total

NAME = "client1-1"


def told(*responses: tuple[str | None, int]) -> Ledger:
    """Return a ledger in which one thing got these values with these responses."""
    ledger = Ledger()
    for value, status in responses:
        ledger.change("page", NAME, value, status=status, is_success=status == 302)
    return ledger


def check(ledger: Ledger, *values: str) -> Check:
    return ledger.check({"page": [(NAME, value) for value in values]})


def test_each_success_is_found_in_the_row_that_it_left() -> None:
    assert check(told(("first", 302), ("second", 302)), "second") == Check(looked_for=2)


def test_what_was_deleted_is_to_be_gone() -> None:
    ledger = told(("first", 302), (GONE, 302))

    assert check(ledger) == Check(looked_for=2)
    assert check(ledger, "first").lost == 1


@pytest.mark.parametrize("values", [(), ("first",)])
def test_a_change_that_is_not_in_the_row_is_lost(values: tuple[str, ...]) -> None:
    found = check(told(("first", 302), ("second", 302)), *values)

    assert found.lost == 1
    assert "client1-1" in found.examples[0] and "second" in found.examples[0]


def test_one_thing_in_two_rows_is_a_duplicate() -> None:
    assert check(told(("first", 302)), "first", "first").duplicates == 1


def test_an_error_after_which_nothing_changed_is_right() -> None:
    assert check(told(("first", 500))) == Check()
    assert check(told(("first", 302), (GONE, 503)), "first") == Check(looked_for=1)


def test_an_error_that_took_effect_all_the_same_is_told_apart_from_a_loss() -> None:
    found = check(told(("first", 302), (GONE, 500)))

    assert (found.lost, found.failed_yet_done) == (0, 1)


def test_what_an_error_may_have_done_is_forgotten_once_a_later_change_succeeded() -> None:
    assert check(told(("first", 500), ("second", 302)), "first").lost == 1


@pytest.mark.parametrize("values", [(), ("first",)])
def test_without_a_response_either_is_right(values: tuple[str, ...]) -> None:
    assert check(told(("first", 0)), *values) == Check()


def test_a_request_that_was_refused_changes_nothing() -> None:
    assert check(told(("first", 403)), "first").lost == 1


def counted(*statuses: int) -> Ledger:
    ledger = Ledger()
    for status in statuses:
        ledger.count("view", "client1", status=status, is_success=status == 200)
    return ledger


@pytest.mark.parametrize(
    ("statuses", "rows", "expected"),
    [
        ((200, 200), 2, (0, 0, 0)),
        ((200, 200), 1, (1, 0, 0)),
        ((200, 200), 3, (0, 1, 0)),
        ((200, 500), 1, (0, 0, 0)),
        ((200, 500), 2, (0, 0, 1)),
        ((200, 0), 2, (0, 0, 0)),
        ((200, 500, 0), 4, (0, 1, 1)),
    ],
)
def test_a_tally_counts_each_success_once(
    statuses: tuple[int, ...], rows: int, expected: tuple[int, int, int]
) -> None:
    found = counted(*statuses).check({"view": [("client1", str(rows))]})

    assert (found.lost, found.duplicates, found.failed_yet_done) == expected


def test_a_tally_without_any_row_is_lost() -> None:
    assert counted(200).check({"view": []}).lost == 1


def test_the_sum_keeps_a_few_examples() -> None:
    several = [Check(looked_for=1, lost=1, examples=(str(number),)) for number in range(20)]

    assert total(several).lost == 20
    assert len(total(several).examples) == 10
