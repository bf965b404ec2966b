"""Rate, p99 and errors against the number of connections."""

from collections.abc import Mapping

from benchmarks.contestants import Contestant
from benchmarks.run import Run, Samples
from benchmarks.stage import in_turn

LEVELS = (1, 16, 64, 256, 512)
CONTESTANTS = (
    *("noop", "direct-full", "direct-full-gevent", "direct-full-granian", "django-bolt", "postgres"),
    "one-writer",
)
ROUNDS = 3
SECONDS = 2.0


def measure(run: Run, ready: Mapping[str, Contestant]) -> Samples:
    """Let the contestants take turns at each level, for 2 s each, in at most three rounds."""
    contestants = [ready[name] for name in CONTESTANTS if name in ready]
    return [
        run.measure(
            contestant,
            round_number=number,
            connections=level,
            seconds=min(SECONDS, run.seconds),
            # Connecting is part of the measurement here: a crowd that arrives is what the figure is about.
            warm_up=0,
        )
        for number in range(min(ROUNDS, run.rounds))
        for level in LEVELS
        for contestant in in_turn(contestants, number)
    ]
