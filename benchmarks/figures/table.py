"""The main table: every contestant at 64 connections in a closed loop."""

from collections.abc import Mapping

from benchmarks.contestants import Contestant
from benchmarks.run import Run, Samples
from benchmarks.stage import in_turn

CONNECTIONS = 64


def measure(run: Run, ready: Mapping[str, Contestant]) -> Samples:
    """Let all contestants take turns, in each round in another order."""
    contestants = [contestant for contestant in ready.values() if contestant.in_main_table]
    return [
        run.measure(contestant, round_number=number, connections=CONNECTIONS)
        for number in range(run.rounds)
        for contestant in in_turn(contestants, number)
    ]
