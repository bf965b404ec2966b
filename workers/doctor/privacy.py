"""Who but the service's user may reach its files: the store, its log, keys, tokens and Redis's files."""

import os
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from workers.doctor.finding import Finding, error, ok, warning
from workers.store.private_files import OTHERS, files_in, files_of

NAME = "disk.privacy"
SHOWN = 5


def examine(store: Path) -> Finding:
    """Look at the store's directory and at what the service keeps there."""
    directory = store.parent
    try:
        files = list(dict.fromkeys([*files_of(store), *files_in(directory)]))
        seen = [(path, found) for path in files if (found := _looked_at(path))]
        place = directory.stat()
    except OSError as exc:
        return error(NAME, f"{directory} cannot be looked at: {exc}", "Run this as the service's user.")
    # For root every file is another one's: the directory says who the service's user is.
    owner = os.geteuid() or place.st_uid
    return judge(directory, place, seen, owner=owner)


def judge(
    directory: Path, place: os.stat_result, files: Iterable[tuple[Path, os.stat_result]], *, owner: int
) -> Finding:
    """Say which files others may read or own; a directory that only others may list is less than that."""
    files = [*files, (directory, place)]
    foreign = [path for path, found in files if found.st_uid != owner]
    is_closed = not stat.S_IMODE(place.st_mode) & OTHERS and place.st_uid == owner
    # Nobody gets at what lies in a closed directory, but a copy or a move of it would be open.
    opened = [path for path, found in files if stat.S_IMODE(found.st_mode) & OTHERS and found.st_uid == owner]
    if not foreign and not opened:
        return ok(NAME, "Nobody but the service's user may read the store, the keys or Redis's files.")
    found, hints = [], []
    if opened:
        found.append(f"Other users of this machine may read or change {_listed(opened)}.")
        hints.append(f"chmod go= {_quoted(opened)}")
    if foreign:
        found.append(f"Another user owns {_listed(foreign)}.")
        hints.append(f"sudo chown {owner} {_quoted(foreign)}")
    hint = f"Close it: {' && '.join(hints)}"
    if directory in (*opened, *foreign):
        hint += " (or set DATA_DIR to a directory of the service's own)"
    only_directory = {*opened, *foreign} == {directory} and not place.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    is_warning = only_directory or (is_closed and not foreign)
    return (warning if is_warning else error)(NAME, " ".join(found), f"{hint}.")


def _looked_at(path: Path) -> os.stat_result | None:
    """Return what a path is, or None when it has just gone: Redis and SQLite make and remove files."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(map(str, paths[:SHOWN])) + more


def _quoted(paths: list[Path]) -> str:
    return " ".join(shlex.quote(os.fspath(path)) for path in paths)
