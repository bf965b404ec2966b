"""Has a backup made when one is due, in a process of its own: a copy must not keep the writer waiting."""

import logging
import os
import subprocess
import sys
import time

from django.db import connections

from workers.backups import archive
from workers.conf import settings
from workers.store import identity, store_file

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0

RETRY_SECONDS = 600.0
"""Pause after one that failed. A full disk does not get emptier by more attempts."""


class Schedule:
    """Of one writer. Nothing here raises or waits: backups may fail, writes go on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._look_at = 0.0

    def tend(self) -> None:
        """Start a backup when one is due, and see to one that has ended."""
        now = time.monotonic()
        if self._process is not None:
            self._see_to_end(now)
            return
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        try:
            if is_due():
                self._process = _start()
        except Exception:  # whatever it is: the writer's own work goes on
            self._look_at = now + RETRY_SECONDS
            logger.exception("backup state=not-started next_try_seconds=%.0f", RETRY_SECONDS)

    def stop(self) -> None:
        """End a backup that is being made; what it leaves is cleared away by the next one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _see_to_end(self, now: float) -> None:
        status = None if self._process is None else self._process.poll()
        if status is None:
            return
        self._process = None
        if status:
            # Its own words are in the log: they share it.
            self._look_at = now + RETRY_SECONDS
            logger.error("backup state=failed status=%d next_try_seconds=%.0f", status, RETRY_SECONDS)


def is_due() -> bool:
    """Return whether the schedule asks for a backup now. Raises OSError and StoreNotReady."""
    hours = settings.WRITE_BACKUP_HOURS
    if not hours or connections["default"].vendor != "sqlite":
        return False
    backups = archive.all_backups(archive.directory(), store_file.path(), identity.current().identity)
    return not backups or backups[0].age_seconds >= hours * 3600


def _start() -> subprocess.Popen[bytes]:
    logger.info("backup state=begins directory=%s", archive.directory())
    # As manage.py would, wherever that is: what this process can import, the other can.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "django", "backup", "--quiet"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
