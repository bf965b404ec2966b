"""`manage.py writer --watchdog`: one worker with a parent that watches it, as `manage.py up` does."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from django.db import connections

from workers.service_settings import place
from workers.up import service
from workers.up.output import Console
from workers.up.supervisor import OWN_NAME, Supervisor

logger = logging.getLogger(__name__)


class _Log(Console):
    """Passes the worker's lines on as they are, and logs what the watchdog itself has to say."""

    def __init__(self) -> None:
        super().__init__(_write, names=[], colour=False)

    def line(self, name: str, text: str) -> None:
        with suppress(OSError):  # nobody reads it any more; the worker must still be stopped in order
            if name == OWN_NAME:
                logger.warning("watchdog %s", text)
            else:
                self._write(text)


def run(name: str, *options: str, progress_file: Path | None) -> bool:
    """Keep a worker running until told to stop; return whether it could stop in order.

    `progress_file` gets a new time at each sign of progress, and is very old before the first one. Raises
    OSError when it cannot be made.
    """
    touch = _toucher(progress_file)
    touch(name)
    if progress_file is not None:
        os.utime(progress_file, (0, 0))
    at_work: set[str] = set()

    def on_progress(name: str) -> None:
        at_work.add(name)
        with suppress(OSError):  # its directory is gone: then the health check fails, and the worker goes on
            touch(name)

    # It is ready when it makes progress, whoever the writer is.
    worker = replace(service.writer(name, *options), is_ready=lambda pid: name in at_work)
    connections.close_all()
    supervisor = Supervisor(
        [worker],
        console=_Log(),
        cwd=Path(place.BASE_DIR),
        env=service.environment(),
        on_start=lambda name, pid: at_work.discard(name),
        on_progress=on_progress,
    )
    return supervisor.run(lambda unready: None)


def _toucher(path: Path | None) -> Callable[[str], None]:
    return lambda name: None if path is None else path.touch(mode=0o600)


def _write(text: str) -> None:
    sys.stdout.write(text + os.linesep)
    sys.stdout.flush()
