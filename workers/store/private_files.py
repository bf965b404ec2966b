"""The files of a store, and who may read them."""

import fnmatch
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SUFFIXES = ("", "-wal", "-shm", "-journal")
"""SQLite gives the other files the mode of the first."""

STORE_NAME = "store.sqlite3"

OWN_FILES = (f"{STORE_NAME}*", "secret-key", "demo-password", "demo-token", "*.lock")
"""What the service keeps in DATA_DIR, as patterns of names."""

OWN_DIRECTORIES = frozenset({"redis", "static", "backups"})

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def files_of(store: Path) -> list[Path]:
    """Return the store's files that exist, where they really are: SQLite follows links first."""
    real = Path(os.path.realpath(store))
    return [file for file in (Path(f"{real}{suffix}") for suffix in SUFFIXES) if file.exists()]


def files_in(directory: Path) -> Iterator[Path]:
    """Yield the service's own files and directories there, with all below them but for the static files.

    Static files are what every visitor is served; their directory is closed like the rest.
    """
    for file in sorted(directory.iterdir()):
        is_own_directory = file.name in OWN_DIRECTORIES
        if not is_own_directory and not any(fnmatch.fnmatch(file.name, name) for name in OWN_FILES):
            continue
        yield file
        if is_own_directory and file.name != "static":
            for folder, folders, files in os.walk(file):
                # Links may lead to what is somebody else's.
                below = (Path(folder, name) for name in (*folders, *files))
                yield from (path for path in below if not path.is_symlink())


def make_private(path: Path) -> None:
    """Take away what the group and others may do with a file or directory; links are followed.

    Does nothing when it is gone, or belongs to another user, whose matter it then is.
    """
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)


def own_as(other: Path, path: Path) -> None:
    """Give a file to whom another one belongs: root may make it for a service that runs as another user.

    Raises OSError.
    """
    found, present = other.stat(), path.stat()
    if (found.st_uid, found.st_gid) != (present.st_uid, present.st_gid):
        os.chown(path, found.st_uid, found.st_gid)


def refusal(store: Path) -> str | None:
    """Return what is wrong when this user may not write the store, as after a restore by root; else None."""
    refused = [file for file in files_of(store) if not os.access(file, os.R_OK | os.W_OK)]
    if not refused:
        return None
    names = " ".join(shlex.quote(os.fspath(file)) for file in refused)
    return f"The service's user may not read and write {names}. As root: chown {os.geteuid()} {names}"


def make_private_if_new(store: Path) -> None:
    """Take away what others may do with a store that has just been made, before anything is in it."""
    with suppress(FileNotFoundError):
        if store.stat().st_size == 0:
            make_private(store)


def keep_private(directory: Path) -> None:
    """Leave what is found in the data directory to its owner alone: password hashes, tokens and keys.

    At each start, because earlier versions, another umask or a copy may have left it readable. The directory
    itself is closed only when it is the service's own: `/tmp`, `/srv` or a home directory stay as they are.
    What belongs to another user stays as it is too, and `doctor` names it.
    """
    found = list(directory.iterdir())
    for file in (*files_of(directory / STORE_NAME), *files_in(directory)):
        make_private(file)
    if _is_own(directory, found):
        make_private(directory)


def _is_own(directory: Path, found: list[Path]) -> bool:
    is_sticky = directory.stat().st_mode & stat.S_ISVTX
    others = [file for file in found if file.is_dir() and file.name not in {*OWN_DIRECTORIES, "lost+found"}]
    return not is_sticky and not others
