"""Fixed buckets: how many values were how large, in a form that can be added up and kept."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

MICROSECONDS = (
    *(round(step * 10.0**decade) for decade in range(2, 8) for step in (1, 1.6, 2.5, 4, 6.3)),
    100_000_000,
)
"""Upper bounds of the buckets of times, 100 us to 100 s, five for each power of ten."""

SECONDS = tuple(bound / 1e6 for bound in MICROSECONDS)

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""Upper bounds of the buckets of batch sizes, in writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Values that were sorted into buckets."""

    bounds: Sequence[float]
    """Upper bound of each bucket, which belongs to it; ascending."""
    counts: Sequence[int]
    """How many values are in each bucket; one more than bounds, for what is above all of them."""
    sum: float
    """Of all values, in the unit of the bounds."""

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Return about the value that this share of all is not above; None when there are none.

        Within its bucket it is estimated by the place; above all bounds it is the last bound.
        """
        wanted = self.count * share
        if not self.count:
            return None
        running = list(accumulate(self.counts))
        place = bisect_left(running, wanted)
        # A share of 0 is at the first bucket that has something.
        while not self.counts[place]:
            place += 1
        if place == len(self.bounds):
            return self.bounds[-1]
        below = self.bounds[place - 1] if place else 0.0
        part = (wanted - (running[place] - self.counts[place])) / self.counts[place]
        return below + (self.bounds[place] - below) * part
