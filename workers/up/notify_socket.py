"""Where a process says that it makes progress, by the protocol of sd_notify(3): the listening side."""

import os
import socket
import tempfile
from contextlib import suppress

_LONGEST_MESSAGE_BYTES = 4_096

_LONGEST_PATH_BYTES = 100
"""Of a socket's path the system takes 103 or 107 bytes."""


class NotifySocket:
    """Listens to one process. To be closed."""

    def __init__(self) -> None:
        # 0700: nobody else can say that a process goes on which does not.
        self._directory = tempfile.TemporaryDirectory(prefix="notify-")
        self.path = os.path.join(self._directory.name, "socket")
        if len(os.fsencode(self.path)) > _LONGEST_PATH_BYTES:  # TMPDIR may be anything
            self._directory.cleanup()
            self._directory = tempfile.TemporaryDirectory(prefix="notify-", dir="/tmp")
            self.path = os.path.join(self._directory.name, "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(self.path)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def environment(self) -> dict[str, str]:
        """What the process must find in its environment."""
        return {"NOTIFY_SOCKET": self.path}

    def heard(self) -> bool:
        """Take what has arrived, and return whether progress was among it."""
        progress = False
        with suppress(BlockingIOError):
            while message := self._socket.recv(_LONGEST_MESSAGE_BYTES):
                progress = progress or b"WATCHDOG=1" in message.split(b"\n")
        return progress

    def close(self) -> None:
        self._socket.close()
        self._directory.cleanup()
