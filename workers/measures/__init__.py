"""What the writer counts and times, kept in Redis: slots of the last 15 minutes, and totals.

Other packages import from here. The writer takes the measures, and any process may read them.
"""

from workers.measures.buckets import Distribution
from workers.measures.reading import Slot, Spread, Totals, history, totals
from workers.measures.slots import HISTORY_SECONDS, SLOT_SECONDS
from workers.measures.taking import Recorder, Times

__all__ = [
    # Reading
    "HISTORY_SECONDS",
    "SLOT_SECONDS",
    "Distribution",
    "Slot",
    "Spread",
    "Totals",
    "history",
    "totals",
    # Taking
    "Recorder",
    "Times",
]
