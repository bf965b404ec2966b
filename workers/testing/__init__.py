"""For the tests of a project: writes without a worker, or with a real one. See docs/testing.md.

WRITE_SUBMITTER = "workers.testing.AtOnce"      # in the settings of the tests, or override_settings
pytest_plugins = ["workers.testing.pytest"]     # in conftest.py, for the fixtures
"""

from workers.testing.at_once import AtOnce, SubmittedInTransaction, held_writes
from workers.testing.live import LiveWriterUnavailable, live_writer

__all__ = [
    # Writes are applied as they are submitted
    "AtOnce",
    "held_writes",
    # A Redis and a writer of the test's own
    "live_writer",
    # Errors
    "LiveWriterUnavailable",
    "SubmittedInTransaction",
]
