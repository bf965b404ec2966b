"""How each role opens the store: pragmas, transaction mode, and who may write.

Applied to every new connection. What a role needs is verified by reading it back, because SQLite answers a
PRAGMA it cannot follow with the old value, not with an error. See https://www.sqlite.org/pragma.html.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import Error, OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from workers import faults, fence, private_files, reads, store_file, time_limit
from workers.conf import settings
from workers.exceptions import WriteOutsideWriter, WrongStore
from workers.lease import left_mark
from workers.roles import Role, current_role
from workers.turn import take_turn_to_write

MIB = 1024 * 1024
JOURNAL_SIZE_LIMIT_BYTES = 64 * MIB
WRITER_BUSY_MILLISECONDS = 2_000
"""A busy store means that a foreign process writes it. The writer then says so, and tries again."""


def writing_pragmas() -> dict[str, int | str]:
    """Return the pragmas of whoever writes, in the order in which they are set."""
    return {
        "journal_mode": "wal",
        # 2 and 1 are how SQLite reads FULL and NORMAL back.
        "synchronous": {"FULL": 2, "NORMAL": 1}[settings.WRITE_SYNCHRONOUS],
        "journal_size_limit": JOURNAL_SIZE_LIMIT_BYTES,
        "cache_size": -64 * 1024,
    }


def pragmas(role: Role) -> dict[str, int | str]:
    """Return the pragmas with which a role's connection begins."""
    common: dict[str, int | str] = {"mmap_size": 0, "wal_autocheckpoint": 0}
    match role:
        case Role.WRITER:
            return common | writing_pragmas() | {"busy_timeout": WRITER_BUSY_MILLISECONDS}
        case Role.COMMAND:
            # A command reads until it takes its turn. It checkpoints for itself, with nobody to do it later.
            return {"mmap_size": 0, "wal_autocheckpoint": 1000, "query_only": 1}
        case _:
            return common | {"cache_size": -8 * 1024, "query_only": 1}


def refuse_writes(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement; name the right way when it tried to write."""
    try:
        return execute(sql, params, many, context)
    except OperationalError as exc:
        if faults.sqlite_code(exc) == faults.SQLITE_READONLY:
            raise WriteOutsideWriter from exc
        raise


WRAPPERS = {Role.WEB: refuse_writes, Role.COMMAND: take_turn_to_write}


def configure(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Prepare a new connection for this process's role. Raises WrongStore."""
    if connection.vendor != "sqlite" or connection.alias != "default":
        return
    role = current_role()
    try:
        path = store_file.path()
        _refuse_log_of_another(connection, path)
        private_files.make_private_if_new(path)
        apply(connection, pragmas(role))
    except Exception:
        connection.close()  # Django would use it, as it is, the next time
        raise
    # IMMEDIATE takes the write lock at BEGIN: right for who writes, a stall for who reads.
    connection.transaction_mode = None if role is Role.WEB else "IMMEDIATE"  # type: ignore[attr-defined]
    # A connection outlives a change of role when it is closed and opened again.
    wrappers = [wrapper for wrapper in connection.execute_wrappers if wrapper not in WRAPPERS.values()]
    if role in WRAPPERS:
        wrappers.append(WRAPPERS[role])
    connection.execute_wrappers[:] = wrappers
    reads.lift(connection)
    if role is Role.WEB:
        reads.limit(connection)
    else:
        connection.connection.set_progress_handler(time_limit.is_over, time_limit.PROGRESS_INSTRUCTIONS)
        connection.connection.set_authorizer(fence.authorize)


def _refuse_log_of_another(connection: BaseDatabaseWrapper, path: Path) -> None:
    """Raise WrongStore before SQLite reads a log that is not this file's, or copies it into the file."""
    if connection.settings_dict["NAME"] == connections["default"].settings_dict["NAME"]:
        store_file.refuse_log_of_another(path, left_mark(path))


def apply(connection: BaseDatabaseWrapper, wanted: dict[str, int | str]) -> None:
    """Set pragmas and verify each. Raises WrongStore."""
    with connection.cursor() as cursor:
        for name, value in wanted.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        actual = read_pragmas(connection, wanted)
    for name, value in wanted.items():
        if actual[name] != value and not (name == "journal_mode" and actual[name] == "memory"):
            raise WrongStore(
                f"SQLite keeps {name}={actual[name]} instead of {value}. "
                "Is the store on a local disk that this process may write?"
            )


def read_pragmas(connection: BaseDatabaseWrapper, names: Any) -> dict[str, Any]:
    """Return the pragmas' values in force."""
    with connection.cursor() as cursor:
        values = {}
        for name in names:
            row = cursor.execute(f"PRAGMA {name}").fetchone()
            values[name] = row[0] if row else None
        return values


def probe() -> str:
    """Return why the store cannot be written now, or nothing. Takes the write lock for an instant."""
    try:
        with transaction.atomic():
            return ""
    except Error as exc:
        return str(exc)


def wal_bytes() -> int:
    """Return the size of the write-ahead log."""
    try:
        return store_file.log_path(store_file.path()).stat().st_size
    except FileNotFoundError:
        return 0


def checkpoint() -> bool:
    """Move the log into the database and empty it; return whether all of it was moved.

    Never waits for a reader: what one still needs stays in the log until the next time. To be called by
    the lease's holder only, outside a transaction. See https://www.sqlite.org/pragma.html#pragma_wal_checkpoint.
    """
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy, _, _ = cursor.fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {WRITER_BUSY_MILLISECONDS}")
    return not busy
