"""The directory of all data: made when missing, refused in one line when it cannot serve, and private."""

import os
import stat
from pathlib import Path

from project.environment import InvalidEnvironment
from workers.private_files import OWN_DIRECTORIES, STORE_NAME, files_in, files_of, make_private

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
        _keep_private(path)
    except (FileExistsError, NotADirectoryError):
        raise InvalidEnvironment(f"{shown} is not a directory, or lies below a file.") from None
    except OSError as exc:
        raise InvalidEnvironment(f"{shown} cannot be used: {exc.strerror}. Name another directory.") from exc
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise InvalidEnvironment(f"{shown} cannot be written by this user; change its owner, or use another.")
    return path


def _keep_private(path: Path) -> None:
    """Leave what is found to its owner alone: it holds password hashes, tokens and keys.

    At each start, because earlier versions, another umask or a copy may have left it readable. The directory
    itself is closed only when it is the service's own: `/tmp`, `/srv` or a home directory stay as they are.
    What belongs to another user stays as it is too, and `doctor` names it.
    """
    found = list(path.iterdir())
    for file in files_of(path / STORE_NAME):
        make_private(file)
    for file in files_in(path):
        make_private(file)
    if _is_own(path, found):
        make_private(path)


def _is_own(path: Path, found: list[Path]) -> bool:
    is_sticky = path.stat().st_mode & stat.S_ISVTX
    others = [file for file in found if file.is_dir() and file.name not in {*OWN_DIRECTORIES, "lost+found"}]
    return not is_sticky and not others
