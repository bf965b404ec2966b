"""The writer's side: it counts and times what it does, and its heartbeat takes that to Redis each second."""

import secrets
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.client import Pipeline

from workers.measures import slots
from workers.measures.buckets import MICROSECONDS, SIZES
from workers.stream import keys
from workers.stream.heartbeat import LIFE_SECONDS
from workers.stream.scripts import source
from workers.writes import Outcome, Write, WriteStatus


@dataclass(slots=True)
class Times:
    """When the transactions of one batch were applied and committed: mostly one, else one for each write."""

    began_at: float | None = None
    """When the first one began to apply, in seconds since 1970; None before that."""
    transactions: list[tuple[float, float]] = field(default_factory=list)
    """Of each that was committed, how long it was applied and how long COMMIT took, in seconds."""
    _began: float = 0.0

    def begin(self) -> None:
        """Note that a transaction begins to apply."""
        if self.began_at is None:
            self.began_at = time.time()
        self._began = time.perf_counter()

    def committed(self, applied: float) -> None:
        """Note that it is committed; `applied` is when it was applied, by time.perf_counter()."""
        self.transactions.append((applied - self._began, time.perf_counter() - applied))


class Counts:
    """Values that are being sorted into buckets."""

    def __init__(self, bounds: Sequence[int]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0

    def add(self, value: int) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_ages(self, moments: Sequence[int], now: int) -> None:
        """Add the age of each of these moments, which ascend and are not after `now`."""
        # In a batch they are near each other: it is quicker to look for the bounds among them.
        later = len(moments)
        for place in range(
            bisect_left(self._bounds, now - moments[-1]), bisect_left(self._bounds, now - moments[0])
        ):
            first = bisect_left(moments, now - self._bounds[place], 0, later)
            self._counts[place] += later - first
            later = first
        self._counts[bisect_left(self._bounds, now - moments[0])] += later
        self._sum += now * len(moments) - sum(moments)

    def figures(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield what there is, named as in Redis."""
        if self._sum:
            yield f"{name}_sum", self._sum
        for place, count in enumerate(self._counts):
            if count:
                yield f"{name}:{place}", count


class Recorder:
    """Adds up what one writer does until the heartbeat takes it along: it is a Rider.

    What could not be delivered travels again with the next heartbeat, and counts once.
    """

    def __init__(self, log_bytes: Callable[[], int | None]) -> None:
        """`log_bytes` returns the size of the write-ahead log, None where there is none; never raises."""
        self._log_bytes = log_bytes
        self._writer = secrets.token_hex(8)
        self._deliveries = 0
        self._delivery: list[Any] | None = None
        self._at_work_since = time.monotonic()
        self._begin()
        self._added["starts"] = 1

    def _begin(self) -> None:
        self._added = dict.fromkeys(("starts", "at_work_us", "batches", "rejected", "failed", "held_back"), 0)
        self._wait, self._apply, self._commit = (Counts(MICROSECONDS) for _ in range(3))
        self._size = Counts(SIZES)
        self._largest = 0

    def batch(self, settled: Sequence[tuple[Write, Outcome]], times: Times) -> None:
        """Count a batch that is committed and acknowledged."""
        self._added["batches"] += 1
        self._size.add(len(settled))
        self._largest = max(self._largest, len(settled))
        for apply_seconds, commit_seconds in times.transactions:
            self._apply.add(int(apply_seconds * 1e6))
            self._commit.add(int(commit_seconds * 1e6))
        if settled and times.began_at is not None:
            now = int(times.began_at * 1e6)
            # Ids are times of acceptance by Redis's clock. They ascend, except where one was renumbered.
            accepted = sorted([write.write_id for write, _ in settled])
            if accepted[-1] > now:  # its clock is ahead
                accepted = [min(moment, now) for moment in accepted]
            self._wait.add_ages(accepted, now)
        committed = WriteStatus.COMMITTED
        for outcome in [outcome for _, outcome in settled if outcome.status is not committed]:
            self._added[outcome.status.value] += 1

    def held_back(self) -> None:
        """Count an attempt at a batch that the store did not commit."""
        self._added["held_back"] += 1

    def board(self, pipeline: Pipeline) -> None:
        """Put what is to be delivered on the way, with the heartbeat."""
        if self._delivery is None:
            self._delivery = self._pack()
        script = source("record.lua", slots.ROOM)
        names = (keys.measured_totals(), keys.stream(), keys.measured_by(self._writer))
        pipeline.eval(script, len(names), *names, *self._delivery)

    def arrived(self) -> None:
        """Note that it is in Redis."""
        self._delivery = None

    def _pack(self) -> list[Any]:
        now = time.monotonic()
        # Whoever was without progress for longer was not at work: its heartbeat was gone.
        self._added["at_work_us"] = int(min(now - self._at_work_since, LIFE_SECONDS) * 1e6)
        self._at_work_since = now
        added = [(name, number) for name, number in self._added.items() if number]
        for name, counts in (("wait", self._wait), ("apply", self._apply), ("commit", self._commit)):
            added += counts.figures(name)
        added += self._size.figures("size")
        highest = [("largest_batch", self._largest)] if self._largest else []
        log_bytes = self._log_bytes()
        if log_bytes is not None:
            highest.append(("log_bytes", log_bytes))
        self._begin()
        self._deliveries += 1
        return [
            self._deliveries,
            keys.measured_slot(""),
            slots.SLOT_SECONDS,
            slots.LIFE_SECONDS,
            len(added),
            *(part for pair in [*added, *highest] for part in pair),
        ]
