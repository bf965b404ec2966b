"""Tells whoever watches this process that it makes progress, by the protocol of sd_notify(3).

systemd listens to units of `Type=notify` with `WatchdogSec=`, and `manage.py up` and `manage.py writer
--watchdog` to what they start. Without NOTIFY_SOCKET nobody does, and nothing is sent.
"""

import os
import socket
import time
from contextlib import suppress

INTERVAL_SECONDS = 0.5
"""Pause between two messages: a busy loop calls far more often."""


class Notifier:
    """Sends to the socket at this address; to nobody when there is none."""

    def __init__(self, address: str) -> None:
        # "@" stands for the zero byte of Linux's abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._sent_at = float("-inf")

    def progress(self) -> None:
        """Say that this process is at work, and goes on. Never fails, never waits.

        To be called by the loop that does the work, never by a timer in a thread of its own: of a loop that
        hangs nothing must be heard.
        """
        now = time.monotonic()
        if not self._address or now - self._sent_at < INTERVAL_SECONDS:
            return
        self._sent_at = now
        with suppress(OSError):  # nobody listens any more, or not fast enough
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            # Both each time: whoever listens may have begun to only now.
            self._socket.sendto(b"READY=1\nWATCHDOG=1", self._address)


notifier = Notifier(os.environ.get("NOTIFY_SOCKET", ""))
"""One for the process, as there is one who watches it."""
