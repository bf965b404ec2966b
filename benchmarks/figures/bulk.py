"""Items per second when each request creates 1,000 of them in one write."""

from collections.abc import Mapping

from benchmarks.contestants import Contestant
from benchmarks.run import Run, Samples

CLIENTS = 4


def measure(run: Run, ready: Mapping[str, Contestant]) -> Samples | None:
    """Measure four clients; every item of every request that was answered with 201 is looked for."""
    if "one-writer-bulk" not in ready:
        return None
    return [
        run.measure(ready["one-writer-bulk"], round_number=number, connections=CLIENTS)
        for number in range(run.rounds)
    ]
