"""Whether a store is sound, as far as a second's look tells: a damaged one must not be written.

Each further write would put what is good beside what is lost, and the way back would be longer. `manage.py
doctor` reads all of a store, which takes half a minute a gigabyte from a disk.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from workers.exceptions import WrongStore
from workers.store import read_only, store_file
from workers.store.lock.store_lock import lock_of
from workers.store.store_file import FileId

LIMIT_SECONDS = 1.0
"""Of a look. It is made before the lease is taken, so nobody waits for it who could take the lease."""

DAMAGED_SQLITE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

HEADING = "*** in database main *** "
"""What SQLite says before some of what it found."""

HINT = "Stop the service, then `manage.py restore` puts a backup in its place and keeps this one beside it."


def refuse_damaged(path: Path) -> None:
    """Raise WrongStore when the store is seen to be damaged. Looks once at each file."""
    file = store_file.file_id(path)
    if file is None:
        return
    # Together with another's log it would look damaged, and another hint is due.
    store_file.refuse_log_of_another(path, lock_of(path).mark())
    if found := _problem(path, file):
        raise WrongStore(explained(path, found))


def explained(path: Path, found: str) -> str:
    """Return what is to be said of a damaged store."""
    return f"{path} is damaged ({found}). Nothing more is written to it, and what was accepted waits. {HINT}"


def reason_of(exc: Exception) -> str:
    """Return what to say of an error of the default store: a damaged one with its hint."""
    return explained(store_file.path(), str(exc)) if is_damage(exc) else str(exc)


def is_damage(exc: BaseException) -> bool:
    """Return whether SQLite, or Django for it, says that the store is damaged."""
    code = getattr(exc if isinstance(exc, sqlite3.Error) else exc.__cause__, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGED_SQLITE_CODES


@cache
def _problem(path: Path, file: FileId) -> str | None:
    """Return what is wrong with the store, or None; None too when it cannot be looked at now."""
    try:
        with read_only.opened(path) as raw:
            return _look(raw, time.monotonic() + LIMIT_SECONDS)
    except sqlite3.Error as exc:
        # Whatever else keeps it from being read, the writer meets by itself.
        return str(exc) if is_damage(exc) else None


def _look(raw: sqlite3.Connection, until: float) -> str | None:
    """Look at all of the store; if half of the time does not suffice, at one table after the other."""
    # The constraints are the rows' matter, not the file's.
    raw.execute("PRAGMA ignore_check_constraints = ON")
    # With this SQLite reads the header, compares the pages with the file's size, and parses the schema.
    names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    is_done, found = _checked(raw, "PRAGMA quick_check(1)", (until - time.monotonic()) / 2)
    while names and not is_done and not found and (left := until - time.monotonic()) > 0:
        # What a table does not need is for those that follow.
        quoted = names[0].replace('"', '""')
        _, found = _checked(raw, f'PRAGMA quick_check("{quoted}")', left / len(names))
        del names[0]
    return found


def _checked(raw: sqlite3.Connection, pragma: str, seconds: float) -> tuple[bool, str | None]:
    """Return whether the check came to its end in time, and what it found. Raises sqlite3.Error."""
    try:
        with _interrupted_after(raw, seconds):
            found = " ".join(str(raw.execute(pragma).fetchone()[0]).split())
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return False, None
    return True, None if found == "ok" else found.removeprefix(HEADING)


@contextmanager
def _interrupted_after(raw: sqlite3.Connection, seconds: float) -> Iterator[None]:
    # By a thread: while SQLite follows a tree from page to page it asks no progress handler, in SQLite 3.40
    # for 22 s in a gigabyte. See https://www.sqlite.org/c3ref/interrupt.html.
    timer = threading.Timer(seconds, raw.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # else it could meet what runs next
