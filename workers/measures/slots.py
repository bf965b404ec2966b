"""How the measures are kept in Redis: one hash for each slot of time, and one of totals, with equal names.

A slot goes by itself when its life is over, so there are never more than LIFE_SECONDS / SLOT_SECONDS of them,
each with a few hundred bytes. In both, all figures are whole numbers: counts, microseconds, bytes. What is
sorted into buckets has its sum, such as `wait_sum`, and the count of each bucket by its place, `wait:7`.
"""

from pathlib import Path

SLOT_SECONDS = 5

HISTORY_SECONDS = 900
"""How far back the history goes."""

LIFE_SECONDS = HISTORY_SECONDS + 60
"""How long a slot is kept, and the number of a writer's last delivery. A lost one is tried again for seconds:
a writer that is away from Redis for longer is the writer no more."""

LATE_SECONDS = 2
"""How long after its end a slot still changes: what is counted travels with the heartbeat, once a second."""

ROOM = Path(__file__).parent
"""Where the scripts are."""
