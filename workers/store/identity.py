"""The store's identity: made once, kept in the store, and known to the stream whose writes are for it.

A table of its own without a model, so that `flush`, which empties the tables of models, leaves it alone.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core import mail
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.exceptions import StoreNotReady, WrongStore
from workers.store import private_files, server, store_file

TABLE = "workers_identity"

NO_FILE = "-"
"""Stands for the file of a store that is none: another database's, or one in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreId:
    """Which store a process has open: the identity that the store keeps, and the file that it is in.

    A copy has the same identity and another file.
    """

    identity: str
    """32 hexadecimal digits."""
    file: str
    """Device and inode of an SQLite file; cluster and database of a PostgreSQL server; else `NO_FILE`."""

    def __str__(self) -> str:
        return f"{self.identity}:{self.file}"


_current: StoreId | None = None


def current() -> StoreId:
    """Return this process's store, read once. Raises StoreNotReady."""
    global _current  # one per process: it has one store
    if _current is None:
        _current = read()
    return _current


def forget() -> None:
    """Have this process's store read again: a test has opened another one."""
    global _current
    _current = None


def problem() -> str | None:
    """Return what keeps this process from its store, which another user owns or which was moved; else None.

    Raises StoreNotReady.
    """
    if connection.vendor != "sqlite":
        return None if read() == current() else "The database is another one than this process began with."
    path = store_file.path()
    if refused := private_files.refusal(path):
        return refused
    known = current().file
    return None if known in {NO_FILE, store_file.file_text(path)} else store_file.replaced(path)


def read(using: str = DEFAULT_DB_ALIAS) -> StoreId:
    """Return the identity in the store. Raises StoreNotReady."""
    database = connections[using]
    try:
        with database.cursor() as cursor:
            cursor.execute(f"SELECT identity FROM {TABLE}")  # noqa: S608 - constant
            row = cursor.fetchone()
    except WrongStore as exc:
        raise StoreNotReady(str(exc)) from exc
    except DatabaseError as exc:
        raise StoreNotReady(
            f"The store's identity cannot be read ({exc}). Is `manage.py migrate` due?"
        ) from exc
    if row is None:
        raise StoreNotReady("The store has no identity. Run `manage.py migrate`.")
    return StoreId(identity=row[0], file=file_of(database))


def file_of(database: BaseDatabaseWrapper) -> str:
    """Return which file, or which database of which server, a connection goes to. Raises django.db.Error."""
    if database.vendor == "sqlite":
        return store_file.file_text(Path(store_file.place_of(database)[0])) or NO_FILE
    if database.vendor == "postgresql":
        # The same on its replicas, which may take its place; another one for what was copied by a dump.
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT system_identifier, oid FROM pg_control_system(), pg_database "
                "WHERE datname = current_database()"
            )
            return "pg-{}-{}".format(*cursor.fetchone())
    return NO_FILE


def ensure(database: BaseDatabaseWrapper) -> None:
    """Give the store an identity where it has none yet. For a migration, inside its transaction."""
    with database.cursor() as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (identity varchar(32) NOT NULL PRIMARY KEY)")
        cursor.execute(f"SELECT count(*) FROM {TABLE}")  # noqa: S608 - constant
        if not cursor.fetchone()[0]:
            cursor.execute(f"INSERT INTO {TABLE} (identity) VALUES (%s)", [uuid.uuid4().hex])  # noqa: S608


def remove(database: BaseDatabaseWrapper) -> None:
    """Take the identity away, for who takes the write path out of a project."""
    with database.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def ensure_after_migrate(using: str, plan: Sequence[tuple[Any, bool]] = (), **_: Any) -> None:
    """Do so where tables were made without migrations, as `pytest --no-migrations` does."""
    is_leaving = any(backwards and migration.app_label == "workers" for migration, backwards in plan)
    if using == "default" and not is_leaving:
        ensure_tables(connections[using])


def ensure_tables(database: BaseDatabaseWrapper) -> None:
    """Make what a store has beside the tables of models, where it is missing."""
    ensure(database)
    if database.vendor == "postgresql":
        server.module("lease").ensure(database)


def is_test_run() -> bool:
    """Return whether Django's test environment is set up, so that the store is a test database."""
    return hasattr(mail, "outbox")  # what `setup_test_environment` makes; there is no public question for it
