"""What every Python that a test starts does first, on PYTHONPATH: it then takes half of the time.

What is installed for the tests alone is hidden, as where the service runs it is not installed at all: others
import whatever they find. And while modules are imported hardly anything is garbage, nor is it worth looking
for when the process ends.
"""

import atexit
import gc
import os
import sys


def hide() -> None:
    """Have imports of what this process would not find raise ImportError, as if it were not installed."""
    needs_psycopg = (
        os.environ.get("DATABASE_URL") or "move_store" in sys.orig_argv or os.environ.get("WITH_PSYCOPG")
    )
    for name in ("requests", "opentelemetry.sdk"):
        sys.modules[name] = None  # type: ignore[assignment]  # a documented value: its import raises
    if not needs_psycopg:
        sys.modules["psycopg"] = None  # type: ignore[assignment]
    elif "psycopg" in sys.modules and sys.modules["psycopg"] is None:
        del sys.modules["psycopg"]


hide()
gc.set_threshold(20_000, 20, 20)
atexit.register(gc.freeze)
