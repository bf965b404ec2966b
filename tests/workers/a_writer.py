"""A writer in a process of its own, without Celery: see `WRITER` in writer_process.py."""

import sys
import time
from typing import NoReturn

from django.db import connections

from workers.writer.loop import Drained
from workers.writer.worker.leadership import Leadership

TICK_SECONDS = 0.02


def write() -> NoReturn:
    """Commit writes to the store that the first argument names, and make way for pauses, until killed."""
    # The test's database is not that of the settings, which a new process goes by.
    connections["default"].settings_dict["NAME"] = sys.argv[1]
    leadership = Leadership()
    while True:
        if leadership.try_begin() and leadership.writer and leadership.writer.drain() is Drained.PAUSE:
            leadership.end(reason="pause")
        time.sleep(TICK_SECONDS)
