"""A file that gets its name once it is complete. One process at a time writes it."""

import os
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from workers.store import flock


class BeingWritten(OSError):
    """Another process writes this file; the message names it."""


class PartFile:
    """What is written, beside the file whose name it takes in the end."""

    def __init__(self, target: Path) -> None:
        """Raises BeingWritten and OSError."""
        self._target = target
        self._path = target.with_name(f"{target.name}.part")
        # Binary, and what a killed process has left is written over.
        self.file = cast(BinaryIO, open_alone(self._path, "a+b"))
        self.file.truncate(0)

    def complete(self) -> None:
        """Give it its name, in place of a former file. Raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self._path.replace(self._target)
        self.file.close()

    def drop(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)
        self.file.close()


def open_alone(path: Path, mode: str, **options: Any) -> IO[Any]:
    """Open a file that no other process has open in this way. Raises BeingWritten and OSError.

    The lock ends with the file object, or with the process.
    """
    while True:
        file = path.open(mode, **options)
        if not flock.try_lock(file.fileno()):
            file.close()
            raise BeingWritten(f"Another process writes {path} now.")
        if flock.is_file(file.fileno(), path):
            return file
        # Whoever had it has removed or renamed it meanwhile.
        file.close()
