"""How each role opens the store: pragmas, transaction mode, and who may write. For every new connection."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import Error, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.exceptions import WriteOutsideWriter
from workers.store import errors, fence, pragmas, private_files, read_limit, store_file, time_limit
from workers.store.lease.command import write_with_lease
from workers.store.lease.lease import left_mark
from workers.store.roles import Role, current_role


def refuse_writes(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement; name the right way when it tried to write."""
    try:
        return execute(sql, params, many, context)
    except OperationalError as exc:
        if errors.sqlite_code(exc) == errors.SQLITE_READONLY:
            raise WriteOutsideWriter from exc
        raise


WRAPPERS = {Role.WEB: refuse_writes, Role.COMMAND: write_with_lease}


def configure(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Prepare a new connection for this process's role. Raises WrongStore."""
    if connection.vendor != "sqlite" or connection.alias != "default":
        return
    role = current_role()
    try:
        path = store_file.path()
        _refuse_log_of_another(connection, path)
        private_files.make_private_if_new(path)
        pragmas.apply(connection, pragmas.of_role(role))
    except Exception:
        connection.close()  # Django would use it, as it is, the next time
        raise
    # IMMEDIATE takes the write lock at BEGIN: right for who writes, a stall for who reads.
    connection.transaction_mode = None if role is Role.WEB else "IMMEDIATE"  # type: ignore[attr-defined]  # of SQLite's wrapper alone
    # A connection outlives a change of role when it is closed and opened again.
    wrappers = [wrapper for wrapper in connection.execute_wrappers if wrapper not in WRAPPERS.values()]
    if role in WRAPPERS:
        wrappers.append(WRAPPERS[role])
    connection.execute_wrappers[:] = wrappers
    read_limit.lift(connection)
    if role is Role.WEB:
        read_limit.limit(connection)
    else:
        connection.connection.set_progress_handler(time_limit.is_over, time_limit.PROGRESS_INSTRUCTIONS)
        connection.connection.set_authorizer(fence.authorize)


def _refuse_log_of_another(connection: BaseDatabaseWrapper, path: Path) -> None:
    """Raise WrongStore before SQLite reads a log that is not this file's, or copies it into the file."""
    if connection.settings_dict["NAME"] == connections["default"].settings_dict["NAME"]:
        store_file.refuse_log_of_another(path, left_mark(path))


def probe() -> str | None:
    """Return why the store cannot be written now, or None. Takes the write lock for an instant."""
    try:
        with transaction.atomic():
            return None
    except Error as exc:
        return str(exc)
