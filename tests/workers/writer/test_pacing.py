import pytest

from workers.writer.pacing import pause_seconds


def pause(size: int, *, limit: int = 500, most: float = 0.02, elapsed: float = 0.001) -> float:
    return pause_seconds(batch_size=size, batch_limit=limit, most_seconds=most, elapsed_seconds=elapsed)


def test_a_lone_write_finds_no_pause() -> None:
    assert pause(1) == 0


def test_under_load_the_pause_is_twice_as_long_as_the_batch_took() -> None:
    assert pause(2, elapsed=0.005) == pytest.approx(0.01)


def test_the_pause_after_a_slow_batch_is_what_the_longest_interval_leaves() -> None:
    assert pause(2, elapsed=0.015) == pytest.approx(0.005)


def test_a_batch_that_took_longer_than_the_interval_is_followed_at_once() -> None:
    assert pause(2, elapsed=0.5) == 0


def test_a_full_batch_is_followed_at_once_because_it_tells_of_a_backlog() -> None:
    assert pause(500) == 0


def test_an_interval_of_zero_never_pauses() -> None:
    assert pause(2, most=0) == 0
