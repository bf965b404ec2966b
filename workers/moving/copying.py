"""Copies rows from one database to another, and reads them back, within a transaction of each."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.moving.errors import NotMoved, Unfit
from workers.moving.tables import Rows, Step, Table, batches, changed, converted, unfit
from workers.moving.verifying import Checksum


def empty(target: BaseDatabaseWrapper, tables: Sequence[Table]) -> None:
    """Delete all rows of these tables. Raises django.db.Error."""
    names = [target.ops.quote_name(table.name) for table in tables]
    with target.cursor() as cursor:
        if target.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(names)}")
        else:
            for name in names:
                cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - a name


def copy(source: BaseDatabaseWrapper, target: BaseDatabaseWrapper, table: Table, step: Step) -> Checksum:
    """Copy a table; return the checksum of what was read. Raises NotMoved and django.db.Error."""
    checksum = Checksum()

    def rows() -> Iterator[Rows]:
        for some in batches(source, table):
            try:
                values = converted(table, some)
            except ValueError:
                raise Unfit(list(unfit(table, some)), is_all=False) from None
            checksum.add(table, values)
            yield values
            step(len(some))

    write = _write_to_server if target.vendor == "postgresql" else _write_to_file
    try:
        write(target, table, rows())
    except Error as exc:
        raise NotMoved(f"The target refused rows of {table.name}: {exc}".strip()) from exc
    return checksum


def _write_to_server(target: BaseDatabaseWrapper, table: Table, all_rows: Iterator[Rows]) -> None:
    statement = f"COPY {target.ops.quote_name(table.name)} ({table.names(target)}) FROM STDIN"
    # Of the driver's cursor: Django knows no COPY.
    with (
        target.wrap_database_errors,
        target.cursor() as cursor,
        cursor.cursor.copy(statement) as stream,
    ):
        for rows in all_rows:
            for row in rows:
                stream.write_row(row)


def _write_to_file(target: BaseDatabaseWrapper, table: Table, all_rows: Iterator[Rows]) -> None:
    values = ", ".join(["%s"] * len(table.columns))
    name = target.ops.quote_name(table.name)
    statement = f"INSERT INTO {name} ({table.names(target)}) VALUES ({values})"  # noqa: S608 - names
    changes = [conversion.write for conversion in table.conversions]
    with target.cursor() as cursor:
        for rows in all_rows:
            cursor.executemany(statement, changed(rows, changes))


def read_back(target: BaseDatabaseWrapper, table: Table, step: Step) -> Checksum:
    """Return the checksum of what the target has. Raises NotMoved and django.db.Error."""
    checksum = Checksum()
    for rows in batches(target, table):
        try:
            checksum.add(table, converted(table, rows))
        except ValueError as exc:
            raise NotMoved(f"{table.name} came out of the target as something else: {exc}.") from exc
        step(len(rows))
    return checksum


def set_counters(source: BaseDatabaseWrapper, target: BaseDatabaseWrapper, tables: Sequence[Table]) -> None:
    """Let the target give the primary key next that the source would: no key of a deleted row comes again."""
    with source.cursor() as read, target.cursor() as write:
        for table in tables:
            if table.counts_up and (last := _last_key(source, read, table)):
                _set_counter(target, write, table, last)


def _last_key(source: BaseDatabaseWrapper, cursor: Any, table: Table) -> int:
    key = source.ops.quote_name(table.columns[table.key])
    cursor.execute(f"SELECT max({key}) FROM {source.ops.quote_name(table.name)}")  # noqa: S608 - names
    highest = int(cursor.fetchone()[0] or 0)
    if source.vendor == "sqlite":
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table.name])
    elif sequence := _sequence(source, cursor, table):
        cursor.execute(f"SELECT last_value FROM {sequence} WHERE is_called")  # noqa: S608 - the server's own name
    else:
        return highest
    row = cursor.fetchone()
    return max(highest, int(row[0])) if row else highest


def _sequence(database: BaseDatabaseWrapper, cursor: Any, table: Table) -> str | None:
    name = database.ops.quote_name(table.name)
    cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [name, table.columns[table.key]])
    found: str | None = cursor.fetchone()[0]
    return found


def _set_counter(target: BaseDatabaseWrapper, cursor: Any, table: Table, last: int) -> None:
    if target.vendor == "sqlite":
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table.name])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table.name, last])
    elif sequence := _sequence(target, cursor, table):
        cursor.execute("SELECT setval(%s, %s)", [sequence, last])
