"""What each role asks of SQLite, and verifies: a PRAGMA that cannot be followed keeps its value, silently.

See https://www.sqlite.org/pragma.html.
"""

import sqlite3
import time
from collections.abc import Iterable
from typing import Any

from workers.conf import settings
from workers.exceptions import WrongStore
from workers.store.roles import Role

MIB = 1024 * 1024
JOURNAL_SIZE_LIMIT_BYTES = 64 * MIB
WRITER_BUSY_MILLISECONDS = 2_000
"""A busy store means that a foreign process writes it. The writer then says so, and tries again."""

AGAIN_SECONDS = 0.05
"""Pause between attempts to turn the write-ahead log on, while somebody reads the store without one."""

Values = dict[str, int | str]


def for_writing() -> Values:
    """Return the pragmas of whoever writes, in the order in which they are set."""
    return {
        "journal_mode": "wal",
        **_durability(),
        "journal_size_limit": JOURNAL_SIZE_LIMIT_BYTES,
    }


def _durability() -> Values:
    # Cannot be changed within a transaction. 2 and 1 are how SQLite reads FULL and NORMAL back.
    return {"synchronous": {"FULL": 2, "NORMAL": 1}[settings.WRITE_SYNCHRONOUS]}


def of_role(role: Role) -> Values:
    """Return the pragmas with which a role's connection begins."""
    # Who holds the store lock checkpoints by itself, see workers/store/wal.py.
    common: Values = {"wal_autocheckpoint": 0}
    match role:
        case Role.WRITER:
            own: Values = {"busy_timeout": WRITER_BUSY_MILLISECONDS, "cache_size": -64 * 1024}
            return common | {"mmap_size": 0} | for_writing() | own
        case Role.WEB:
            own = {"mmap_size": 0, "cache_size": -8 * 1024}
            # Not where it may write: switching that on and off has SQLite prepare all statements again, which
            # made a page's reads six times as dear.
            if settings.WRITE_OUTSIDE_WRITER != "refuse":
                return common | own
            # A view that may write may find a transaction open that began where it might not.
            return common | own | {"query_only": 1} | _durability()
        case _:
            return common


def is_log_on(raw: sqlite3.Connection) -> bool:
    """Return whether the store has a write-ahead log already."""
    return bool(read(raw, ["journal_mode"])["journal_mode"] == "wal")


def make_writable(raw: sqlite3.Connection, seconds: float) -> None:
    """Set the pragmas of whoever writes; wait for so many seconds until nobody reads without the log.

    Raises WrongStore and sqlite3.OperationalError.
    """
    deadline = time.monotonic() + seconds
    if not read(raw, ["page_count"])["page_count"]:
        # Only before there is anything in it. See workers/store/vacuum.py.
        raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
    while True:
        try:
            apply(raw, for_writing())
            return
        except sqlite3.OperationalError as exc:
            # Turning the log on needs the store for itself, and does not wait for it.
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(AGAIN_SECONDS)


def apply(raw: sqlite3.Connection, wanted: Values) -> None:
    """Set pragmas and verify each. Raises WrongStore and sqlite3.Error."""
    found = read(raw, wanted)
    for name, value in wanted.items():
        if found[name] == value:
            continue  # within a transaction some may not even be set to what they are
        raw.execute(f"PRAGMA {name} = {value}").fetchall()
    actual = read(raw, wanted)
    for name, value in wanted.items():
        if actual[name] != value:
            raise WrongStore(
                f"SQLite keeps {name}={actual[name]} instead of {value}. "
                "Is the store on a local disk that this process may write?"
            )


def read(raw: sqlite3.Connection, names: Iterable[str]) -> dict[str, Any]:
    """Return the pragmas' values in force."""
    values = {}
    for name in names:
        row = raw.execute(f"PRAGMA {name}").fetchone()
        values[name] = row[0] if row else None
    return values
