"""What every Python that a test starts does first, on PYTHONPATH: it then starts in two thirds of the time.

What is installed for the tests alone is hidden, as where the service runs it is not installed at all: others
import whatever they find. And while modules are imported hardly anything is garbage.
"""

import gc
import os
import sys

NEEDS_PSYCOPG = (
    os.environ.get("DATABASE_URL") or "move_store" in sys.orig_argv or os.environ.get("WITH_PSYCOPG")
)
HIDDEN = ["requests"] if NEEDS_PSYCOPG else ["requests", "psycopg"]

for name in HIDDEN:
    sys.modules[name] = None  # type: ignore[assignment]  # a documented value: its import raises

gc.set_threshold(20_000, 20, 20)
