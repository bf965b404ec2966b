"""The SQLite store as each role sees it, opened so that it cannot be written.

`mode=ro` is stronger than `query_only`: such a connection does not even checkpoint when it is the last one
to close. See https://www.sqlite.org/uri.html.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from workers.conf import settings
from workers.doctor.finding import Finding, error, info, ok, warning
from workers.exceptions import WrongStore
from workers.store import errors, pragmas, private_files, store_file
from workers.store.lock.store_lock import lock_of
from workers.store.roles import Role, current_role, set_role

ROLES = (Role.WRITER, Role.COMMAND, Role.WEB)

SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}

PROBLEMS_SHOWN = 5

RESTORE = (
    "Stop the service, then `manage.py restore` puts a backup in its place and keeps this one beside it. "
    "Without a backup `sqlite3 store.sqlite3 .recover` reads what can be read. Look for a failing disk."
)

Version = tuple[int, int, int]


def path() -> Path:
    """Return the real path of the default store."""
    return store_file.path()


def library_version() -> Version:
    major, minor, patch = sqlite3.sqlite_version_info
    return major, minor, patch


def has_reset_bug(version: Version) -> bool:
    """Return whether this SQLite has the WAL-reset bug: 3.7.0 to 3.51.2, but for two backports."""
    is_backport = (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    return (3, 7, 0) <= version < (3, 51, 3) and not is_backport


def judge_version(version: Version) -> Finding:
    """Say whether the library has the WAL-reset bug, and what follows."""
    name, shown = "sqlite.version", ".".join(map(str, version))
    if has_reset_bug(version):
        return info(
            name,
            f"SQLite {shown}. Nothing to do: its rare WAL-reset bug needs two connections that write or "
            "checkpoint at the same instant, and only the store lock's holder does either. No other "
            "program may write the store. Fixed in SQLite 3.51.3, 3.50.7 and 3.44.6.",
        )
    return ok(name, f"SQLite {shown}, without the WAL-reset bug.")


def file() -> Finding:
    """Say whether the file may be written: it has one name, and the log beside it is its own."""
    found = path()
    if refused := private_files.refusal(found):
        return error("store.file", refused, "Reads may go on; no write is committed until then.")
    try:
        store_file.refuse_unsafe(found, lock_of(found).mark())
    except WrongStore as exc:
        return error("store.file", str(exc), "Until then nothing is written or acknowledged.")
    return ok("store.file", f"{found}, device {found.stat().st_dev}, inode {found.stat().st_ino}.")


@contextmanager
def opened(role: Role) -> Iterator[BaseDatabaseWrapper]:
    """Open the store as this role does, except that nothing can be written. Raises WrongStore too."""
    connection = connections.create_connection("default")
    uri = f"{path().absolute().as_uri()}?mode=ro"
    connection.settings_dict = {**connection.settings_dict, "NAME": uri, "CONN_MAX_AGE": 0}
    own_role = current_role()
    set_role(role)
    try:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            pragmas.apply(connection.connection, pragmas.of_role(role))
        yield connection
    finally:
        set_role(own_role)
        connection.close()


def as_role(role: Role) -> Finding:
    """Say which pragmas are in force for a role, a command's being those with which it writes."""
    with opened(role) as connection, connection.wrap_database_errors:
        if role is Role.COMMAND:
            pragmas.apply(connection.connection, pragmas.for_writing())
        names = ("journal_mode", "synchronous", "query_only", "wal_autocheckpoint", "busy_timeout")
        return judge_pragmas(role, pragmas.read(connection.connection, names))


def judge_pragmas(role: Role, actual: dict[str, Any]) -> Finding:
    """Say whether a role's connection keeps the promises: durable, one writer, readers that never block."""
    name = f"store.{role}"
    synchronous = SYNCHRONOUS.get(actual["synchronous"], str(actual["synchronous"]))
    found = f"journal_mode={actual['journal_mode']}"
    if role is Role.WEB:
        found += f" query_only={actual['query_only']}"
    else:
        found += f" synchronous={synchronous}"
    found += f" wal_autocheckpoint={actual['wal_autocheckpoint']} busy_timeout={actual['busy_timeout']} ms"
    if actual["journal_mode"] != "wal":
        return error(name, f"{found}: readers and the writer block each other.", "Run `manage.py migrate`.")
    if role is Role.WEB and not actual["query_only"] and settings.WRITE_OUTSIDE_WRITER == "refuse":
        return error(
            name, f"{found}: a web process could write the store.", "Remove query_only from DATABASES."
        )
    if role is not Role.WEB and actual["synchronous"] < 1:
        return error(name, f"{found}: a power loss can damage the store.", "Set WRITE_SYNCHRONOUS=FULL.")
    if role is not Role.WEB and actual["synchronous"] == 1:
        return warning(
            name,
            f"{found}: a power loss can undo writes that got 201.",
            "Set WRITE_SYNCHRONOUS=FULL.",
        )
    return ok(name, found)


def migrations() -> Finding:
    """Say which migrations are to be applied."""
    with opened(Role.WEB) as connection, connection.cursor() as cursor:
        # By SQL: Django's recorder would open the store once more, in the ordinary way.
        applied: set[tuple[str, str]] = set()
        if "django_migrations" in connection.introspection.table_names(cursor):
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
    names = [
        f"{app}.{name}"
        for (app, name), migration in sorted(MigrationLoader(None).graph.nodes.items())
        if (app, name) not in applied and not (migration.replaces and applied.issuperset(migration.replaces))
    ]
    if not names:
        return ok("store.migrations", "All are applied.")
    shown = ", ".join(names[:PROBLEMS_SHOWN]) + (", ..." if len(names) > PROBLEMS_SHOWN else "")
    return error("store.migrations", f"{len(names)} to be applied: {shown}.", "Run `manage.py migrate`.")


def integrity(*, full: bool) -> Finding:
    """Let SQLite read the whole store and say what is wrong with it."""
    pragma = "integrity_check" if full else "quick_check"
    with opened(Role.WEB) as connection, connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {pragma}({PROBLEMS_SHOWN})")
        rows = [str(row[0]) for row in cursor.fetchall()]
    if rows == ["ok"]:
        return ok("store.integrity", f"{pragma}: ok." + ("" if full else " --full compares indexes too."))
    return error("store.integrity", f"{pragma}: {'; '.join(rows)}", RESTORE)


def hint_for(exc: Exception) -> str:
    """Return what helps when the store cannot be opened or read."""
    if refused := private_files.refusal(path()):
        return refused
    match errors.sqlite_code(exc):
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return RESTORE
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Find the program that locks the store (`connection.open_by` below) and end it."
        case sqlite3.SQLITE_READONLY:
            # The connection that finds this may not write, so it cannot turn the log on by itself.
            return (
                "The store is not in WAL mode: run `manage.py migrate`, or start the writer, which sets it."
            )
        case _:
            return "Is DATA_DIR on a local disk, and may this user read and write it?"
