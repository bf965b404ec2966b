"""The directory of all data: made when missing, refused in one line when it cannot serve, and private."""

import os
from pathlib import Path

from project.environment import InvalidEnvironment
from workers.up import STORE_NAME, keep_private

__all__ = ["STORE_NAME", "prepare"]

# SQLite opens no path of more than 512 bytes, and keeps 8 of them for the name of the journal.
_LONGEST_BYTES = 504 - len(f"/{STORE_NAME}")


def prepare(path: Path) -> Path:
    """Make the directory unless it is there, take away what other users may do in it, and return it.

    Raises InvalidEnvironment, naming DATA_DIR, when the data cannot be kept there.
    """
    shown = f"DATA_DIR={os.fspath(path)!r}"
    if len(os.fsencode(path)) > _LONGEST_BYTES:
        raise InvalidEnvironment(f"{shown} is too long for SQLite; use a path of {_LONGEST_BYTES} bytes.")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_private(path)
    except (FileExistsError, NotADirectoryError):
        raise InvalidEnvironment(f"{shown} is not a directory, or lies below a file.") from None
    except OSError as exc:
        raise InvalidEnvironment(f"{shown} cannot be used: {exc.strerror}. Name another directory.") from exc
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise InvalidEnvironment(f"{shown} cannot be written by this user; change its owner, or use another.")
    return path
