"""One snapshot of a store: copied while others write, counted, and looked at.

Who reads a snapshot keeps nobody from writing: https://www.sqlite.org/wal.html, "Concurrency". Meanwhile the
log cannot be emptied, so it grows by what is written during the copy.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from workers.store import read_only

PAGES_PER_STEP = 256

SYNC_BYTES = 8 * 1024 * 1024
"""How much is handed to the disk at once. A gigabyte at the end would keep the writer's commits waiting."""

OnStep = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""


@contextmanager
def snapshot(store: Path) -> Iterator[sqlite3.Connection]:
    """Open a store as it is at this moment, whatever is written in the block. Raises sqlite3.Error."""
    with read_only.opened(store) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT 1 FROM sqlite_master").fetchone()  # BEGIN alone reads nothing yet
        yield raw


def copy(source: sqlite3.Connection, target: Path, on_step: OnStep) -> None:
    """Copy a snapshot into a new file, page by page. Raises sqlite3.Error and OSError.

    See https://www.sqlite.org/backup.html. Because the snapshot is kept, what others write does not make the
    copy begin anew.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as made:
            page_bytes = source.execute("PRAGMA page_size").fetchone()[0]
            made.execute("PRAGMA journal_mode = OFF")  # what is interrupted is thrown away
            made.execute("PRAGMA synchronous = OFF")
            synced = 0

            def step(_: int, remaining: int, total: int) -> None:
                nonlocal synced
                done = (total - remaining) * page_bytes
                if done - synced >= SYNC_BYTES:
                    os.fsync(descriptor)
                    synced = done
                on_step((total - remaining) / max(total, 1))

            source.backup(made, pages=PAGES_PER_STEP, progress=step)
        with closing(sqlite3.connect(target, isolation_level=None)) as made:
            # One file without a log beside it; whoever opens it as the store turns the log on.
            made.execute("PRAGMA journal_mode = DELETE").fetchall()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def counts(raw: sqlite3.Connection) -> dict[str, int]:
    """Return how many rows each table has, by its name. Raises sqlite3.Error."""
    # Virtual tables need their module, and what they hold is in ordinary tables.
    names = raw.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "AND sql NOT LIKE 'CREATE VIRTUAL %' ORDER BY name"
    ).fetchall()
    quoted = ((name, '"' + name.replace('"', '""') + '"') for (name,) in names)
    return {name: raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for name, table in quoted}  # noqa: S608


def identity(raw: sqlite3.Connection) -> str:
    """Return the store's identity; empty when it has none, as before its first `migrate`."""
    try:
        row = raw.execute("SELECT identity FROM workers_identity").fetchone()
    except sqlite3.OperationalError:  # no such table
        return ""
    return str(row[0]) if row else ""


def identity_of(store: Path) -> str | None:
    """Return the identity of a store that may be damaged, or not there: then None."""
    try:
        with read_only.opened(store) as raw:
            return identity(raw) or None
    except sqlite3.Error:
        return None


def problems(raw: sqlite3.Connection) -> list[str]:
    """Let SQLite read all of a store; return what is wrong with it. Raises sqlite3.Error."""
    # See https://www.sqlite.org/pragma.html#pragma_integrity_check: indexes are compared with their tables.
    found = [str(row[0]) for row in raw.execute("PRAGMA integrity_check(5)")]
    return [] if found == ["ok"] else found
