"""What each role asks of SQLite, and verifies: a PRAGMA that cannot be followed keeps its value, silently.

See https://www.sqlite.org/pragma.html.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from workers.conf import settings
from workers.exceptions import WrongStore
from workers.store.roles import Role

MIB = 1024 * 1024
JOURNAL_SIZE_LIMIT_BYTES = 64 * MIB
WRITER_BUSY_MILLISECONDS = 2_000
"""A busy store means that a foreign process writes it. The writer then says so, and tries again."""


def for_writing() -> dict[str, int | str]:
    """Return the pragmas of whoever writes, in the order in which they are set."""
    return {
        "journal_mode": "wal",
        # 2 and 1 are how SQLite reads FULL and NORMAL back.
        "synchronous": {"FULL": 2, "NORMAL": 1}[settings.WRITE_SYNCHRONOUS],
        "journal_size_limit": JOURNAL_SIZE_LIMIT_BYTES,
        "cache_size": -64 * 1024,
    }


def of_role(role: Role) -> dict[str, int | str]:
    """Return the pragmas with which a role's connection begins."""
    common: dict[str, int | str] = {"mmap_size": 0, "wal_autocheckpoint": 0}
    match role:
        case Role.WRITER:
            return common | for_writing() | {"busy_timeout": WRITER_BUSY_MILLISECONDS}
        case Role.COMMAND:
            # A command reads until it takes the lease. It checkpoints for itself, with nobody to do it later.
            return {"mmap_size": 0, "wal_autocheckpoint": 1000, "query_only": 1}
        case _:
            return common | {"cache_size": -8 * 1024, "query_only": 1}


def apply(connection: BaseDatabaseWrapper, wanted: dict[str, int | str]) -> None:
    """Set pragmas and verify each. Raises WrongStore."""
    with connection.cursor() as cursor:
        for name, value in wanted.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        actual = read(connection, wanted)
    for name, value in wanted.items():
        if actual[name] != value and not (name == "journal_mode" and actual[name] == "memory"):
            raise WrongStore(
                f"SQLite keeps {name}={actual[name]} instead of {value}. "
                "Is the store on a local disk that this process may write?"
            )


def read(connection: BaseDatabaseWrapper, names: Any) -> dict[str, Any]:
    """Return the pragmas' values in force."""
    with connection.cursor() as cursor:
        values = {}
        for name in names:
            row = cursor.execute(f"PRAGMA {name}").fetchone()
            values[name] = row[0] if row else None
        return values
