"""The check of epochs notices each thing that must not happen."""

from dataclasses import replace

import pytest

from tests.hosts.commits import Commit, check, first_after, longest_gap

FIRST = Commit(write_id=1, transaction=10, committer="7@a", epoch=1, holder="7@a", at=1.0)
SECOND = replace(FIRST, write_id=2, transaction=11, at=2.0)
SUCCESSOR = replace(FIRST, write_id=3, transaction=13, committer="8@b", epoch=2, holder="8@b", at=5.0)


def test_one_epoch_after_another_is_right() -> None:
    assert list(check([FIRST, SECOND, SUCCESSOR])) == []


@pytest.mark.parametrize(
    ("late", "kinds"),
    [
        # Cut off, and committed all the same.
        (replace(SECOND, write_id=4, at=6.0, epoch=2, holder="8@b"), ["commit without lease"]),
        # As if the lease had gone back.
        (replace(SECOND, write_id=4, at=6.0), ["epochs interleaved"]),
        (replace(SUCCESSOR, write_id=2, at=6.0), ["reordered"]),
    ],
)
def test_what_must_not_happen_is_noticed(late: Commit, kinds: list[str]) -> None:
    assert [violation.kind for violation in check([FIRST, SUCCESSOR, late])] == kinds


def test_the_time_to_the_successor_and_the_gap_are_those_of_the_commits() -> None:
    commits = [FIRST, SECOND, SUCCESSOR]

    assert first_after(commits, 1.5) == SECOND
    assert first_after(commits, 1.5, above=1) == SUCCESSOR
    assert first_after(commits, 5.0) is None
    assert longest_gap(commits, 1.5, 6.0) == 3.0
