"""Whether the store holds what the answers promised. A rate without its rows does not count."""

import time
from collections.abc import Callable

from benchmarks.contestants.server import Rows

_POLL_SECONDS = 0.15


def verdict(rows: Rows, *, successes: int, in_flight: int, errors: int, items: int = 1) -> str:
    """Return what is wrong with the rows of a run, or nothing.

    Each success must have its rows. There may be more: the requests that were under way when the load driver
    stopped (`in_flight`, at most one for each connection), and those that were answered with an error after
    they had taken effect.
    """
    if rows.rows < successes * items:
        return f"{successes * items - rows.rows} of {successes * items} rows are missing"
    if rows.names < rows.rows:
        return f"{rows.rows - rows.names} rows are doubled"
    allowed = (successes + in_flight + errors) * items
    if rows.rows > allowed:
        return f"{rows.rows} rows where at most {allowed} were asked for"
    return ""


def settled(
    count: Callable[[], Rows],
    *,
    wanted: int,
    within_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Rows:
    """Count until all wanted rows are there and no more come, or time is up; return the last count."""
    deadline = clock() + within_seconds
    rows = count()
    while clock() < deadline:
        sleep(_POLL_SECONDS)
        earlier, rows = rows, count()
        if rows == earlier and rows.rows >= wanted:
            break
    return rows
