"""A process of the service as the supervisor runs it: since when, how often, and what it said last."""

import os
import signal
import subprocess
import time
from contextlib import suppress

from workers.up.notify_socket import NotifySocket
from workers.up.process import BackOff, Process


class Child:
    """A process of the service: `popen` is the operating system's process that runs it now, if any."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.back_off = BackOff()
        self.popen: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self.starts = 0
        self.started_at = 0.0
        self.probe_at = 0.0
        self.restart_at: float | None = None
        self.notify_socket: NotifySocket | None = None
        self._silent_since = 0.0

    def kill_group(self, number: signal.Signals) -> None:
        """Signal the process and what it has started itself, such as gunicorn's workers."""
        if self.popen is not None:
            # macOS says "not permitted" for a group of which only zombies are left.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, number)

    def open_notify_socket(self) -> NotifySocket | None:
        """Open the socket at which this start of the process is to say that it makes progress, if it does."""
        if self.process.watchdog_seconds is None:
            return None
        self._silent_since = self.started_at + self.process.boot_seconds
        self.notify_socket = NotifySocket()
        return self.notify_socket

    def close_notify_socket(self) -> None:
        if self.notify_socket is not None:
            self.notify_socket.close()
            self.notify_socket = None

    def made_progress(self) -> bool:
        """Take what it has said, and return whether that was progress."""
        if self.notify_socket is None or not self.notify_socket.heard():
            return False
        self._silent_since = time.monotonic()
        return True

    def hangs(self, now: float) -> bool:
        """Return whether it has said nothing for too long, and nothing else keeps it from its work."""
        limit = self.process.watchdog_seconds
        if limit is None or now - self._silent_since < limit:
            return False
        if self.process.is_held_up():
            self._silent_since = now
            return False
        return True
