"""What is asked before anything is copied: of the target, and of each value of the source."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from workers.moving import copying
from workers.moving.errors import NotMoved, Unfit
from workers.moving.tables import Step, Table, batches, converted, count, unfit
from workers.store import identity
from workers.store.identity import StoreId

LIMIT = 100
"""Offending values that are named at once."""


def _why_not_had(target: BaseDatabaseWrapper, exc: Error) -> str:
    """Say why there is no connection. SQLite says of a file only that it cannot be opened."""
    why = f"The target cannot be had: {exc}".strip()
    if target.vendor != "sqlite":
        return why
    file = Path(target.settings_dict["NAME"])
    missing = "" if file.parent.is_dir() else f" There is no directory {file.parent}: make it first."
    return f"{why} ({file}).{missing}"


def refuse_source(source: BaseDatabaseWrapper, target: BaseDatabaseWrapper) -> None:
    """Raise NotMoved unless the target can be had, is another database, and the source is up to date."""
    for name, database in {"store": source, "target": target}.items():
        if database.vendor not in {"sqlite", "postgresql"}:
            raise NotMoved(f"The {name} is on {database.vendor}; SQLite and PostgreSQL are known here.")
    try:
        target.ensure_connection()
        is_same = identity.file_of(source) == identity.file_of(target)
    except Error as exc:
        raise NotMoved(_why_not_had(target, exc)) from exc
    if is_same:
        raise NotMoved("The target is the store itself. Name another database.")
    if due := _due(source):
        raise NotMoved(f"The store lacks migrations ({', '.join(due)}): run `manage.py migrate` first.")


def make_tables(target: BaseDatabaseWrapper, tables: Sequence[Table]) -> None:
    """Have the target migrated when it is not. Raises NotMoved when it is another application's database."""
    present = set(target.introspection.table_names())
    if present and "django_migrations" not in present:
        raise NotMoved(
            f"The target has tables of another program, such as {min(present)}. "
            "Make an empty database for it."
        )
    if _due(target):
        refuse_filled(target, [table for table in tables if table.name in present])
        call_command("migrate", database=target.alias, verbosity=0, interactive=False)
        # What data migrations have put into new tables: the source has its own.
        copying.empty(target, [table for table in tables if not table.is_filled_by_migrate])
    identity.ensure_tables(target)
    if due := _due(target):
        raise NotMoved(f"The target lacks migrations ({', '.join(due)}).")


def _due(database: BaseDatabaseWrapper) -> list[str]:
    executor = MigrationExecutor(database)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan[:3]]


def refuse_filled(target: BaseDatabaseWrapper, tables: Sequence[Table]) -> None:
    """Raise NotMoved when a table has rows that `migrate` did not make."""
    for table in tables:
        if not table.is_filled_by_migrate and (rows := count(target, table)):
            raise NotMoved(
                f"The target is not empty: {table.name} has {rows:,} rows. Nothing was changed. Name "
                "an empty database."
            )


def is_earlier_copy(source: StoreId, target: BaseDatabaseWrapper, last_write_id: int) -> bool:
    """Return whether the target is what an interrupted move of this store has left, in which nobody wrote.

    `last_write_id` is that of the source's newest receipt.
    """
    if identity.read(target.alias).identity != source.identity:
        return False
    with target.cursor() as cursor:
        cursor.execute("SELECT max(write_id) FROM workers_receipt")
        newest = cursor.fetchone()[0] or 0
        if target.vendor == "postgresql":
            cursor.execute("SELECT max(epoch) FROM workers_lease")
            if cursor.fetchone()[0]:
                return False  # a writer was at work on it
    return int(newest) <= last_write_id


def refuse_unfit(source: BaseDatabaseWrapper, tables: Sequence[Table], step: Step) -> None:
    """Raise Unfit when the target would refuse a value of the source, and name it; LIMIT at most."""
    found = list(islice(_unfit(source, tables, step), LIMIT + 1))
    if found:
        raise Unfit(found[:LIMIT], is_all=len(found) <= LIMIT)


def _unfit(source: BaseDatabaseWrapper, tables: Sequence[Table], step: Step) -> Iterator[str]:
    for table in tables:
        try:
            for rows in batches(source, table):
                try:
                    converted(table, rows)
                except ValueError:
                    yield from unfit(table, rows)
                step(len(rows))
        except DatabaseError as exc:  # SQLite names the column of a text that is not UTF-8
            yield f"{table.name}: {exc}"
    if source.vendor == "sqlite":
        yield from _dangling(source, {table.name: table for table in tables})


def _dangling(source: BaseDatabaseWrapper, tables: dict[str, Table]) -> Iterator[str]:
    """Name rows that refer to one that is not there. See https://www.sqlite.org/pragma.html."""
    with source.cursor() as cursor:
        cursor.execute("PRAGMA foreign_key_check")
        for name, rowid, parent, number in cursor.fetchall():
            if (table := tables.get(name)) is None:
                continue
            quoted = source.ops.quote_name(name)
            cursor.execute(f"PRAGMA foreign_key_list({quoted})")
            column = next((row[3] for row in cursor.fetchall() if row[0] == number), "?")
            key = table.columns[table.key]
            cursor.execute(
                f"SELECT {source.ops.quote_name(key)}, {source.ops.quote_name(column)} FROM {quoted} "  # noqa: S608 - names
                "WHERE rowid = %s",
                [rowid],
            )
            own, value = cursor.fetchone()
            yield f"{name}, {key} {own!r}: {column} refers to {value!r}, which {parent} does not have"


def others(source: BaseDatabaseWrapper, tables: Sequence[Table]) -> list[str]:
    """Return the tables of the source that are of no model, and so are not copied."""
    known = {table.name for table in tables} | {"django_migrations", "workers_lease"}
    return sorted(set(source.introspection.table_names()) - known)
