from workers.pacing import pause_seconds


def pause(size: int, *, limit: int = 500, interval: float = 0.02, elapsed: float = 0.0) -> float:
    return pause_seconds(
        batch_size=size, batch_limit=limit, interval_seconds=interval, elapsed_seconds=elapsed
    )


def test_a_lone_write_finds_no_pause() -> None:
    assert pause(1) == 0


def test_under_load_the_pause_fills_the_interval() -> None:
    assert pause(2, elapsed=0.005) == 0.015


def test_a_batch_that_took_longer_than_the_interval_is_followed_at_once() -> None:
    assert pause(2, elapsed=0.5) == 0


def test_a_full_batch_is_followed_at_once_because_it_tells_of_a_backlog() -> None:
    assert pause(500) == 0


def test_an_interval_of_zero_never_pauses() -> None:
    assert pause(2, interval=0) == 0
