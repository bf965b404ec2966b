"""What is copied: the tables of all managed models, with their columns, and the table of the identity."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Field, Model

from workers.moving.values import Change, Conversion, conversion_of
from workers.store import identity

BATCH_ROWS = 2_000
"""Read, converted and written together; so many are in memory."""

MADE_BY_MIGRATE = {"contenttypes.ContentType", "auth.Permission"}
"""`migrate` fills these tables itself."""

Rows = list[tuple[Any, ...]]

Step = Callable[[int], None]
"""Takes how many rows were done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table on its way."""

    name: str
    columns: tuple[str, ...]
    conversions: tuple[Conversion, ...]
    key: int
    """Which of the columns is the primary key."""
    counts_up: bool
    """Whether the database gives the next primary key."""
    is_filled_by_migrate: bool

    def select(self, connection: BaseDatabaseWrapper) -> str:
        # A plus has SQLite give what is there; of a bare column Django makes what the type says, or None.
        plus = "+" if connection.vendor == "sqlite" else ""
        columns = ", ".join(plus + connection.ops.quote_name(column) for column in self.columns)
        return f"SELECT {columns} FROM {connection.ops.quote_name(self.name)}"  # noqa: S608 - names

    def names(self, connection: BaseDatabaseWrapper) -> str:
        return ", ".join(connection.ops.quote_name(column) for column in self.columns)


def all_tables(source: BaseDatabaseWrapper, target: BaseDatabaseWrapper) -> list[Table]:
    """Return every table that is copied, each once."""
    found: dict[str, Table] = {}
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.managed and not meta.proxy and not meta.swapped:
            found.setdefault(meta.db_table, _table(model, source, target))
    found[identity.TABLE] = Table(
        name=identity.TABLE,
        columns=("identity",),
        conversions=(Conversion(),),
        key=0,
        counts_up=False,
        is_filled_by_migrate=True,
    )
    return list(found.values())


def _table(model: type[Model], source: BaseDatabaseWrapper, target: BaseDatabaseWrapper) -> Table:
    fields: Sequence[Field] = [
        field for field in model._meta.local_concrete_fields if not getattr(field, "generated", False)
    ]
    return Table(
        name=model._meta.db_table,
        columns=tuple(str(field.column) for field in fields),
        conversions=tuple(conversion_of(field, source, target) for field in fields),
        key=next((place for place, field in enumerate(fields) if field.primary_key), 0),
        counts_up=isinstance(model._meta.pk, AutoField) and model._meta.pk in fields,
        is_filled_by_migrate=model._meta.label in MADE_BY_MIGRATE,
    )


def count(connection: BaseDatabaseWrapper, table: Table) -> int:
    """Return how many rows a table has. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table.name)}")  # noqa: S608 - a name
        return int(cursor.fetchone()[0])


def batches(connection: BaseDatabaseWrapper, table: Table) -> Iterator[Rows]:
    """Yield what the driver gives for all rows, in any order, in batches. Raises django.db.Error."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(table.select(connection))
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield rows


def converted(table: Table, rows: Rows) -> Rows:
    """Return the values that Python has for them. Raises ValueError when one does not fit into the target."""
    return changed(rows, [conversion.read for conversion in table.conversions])


def changed(rows: Rows, changes: Sequence[Change | None]) -> Rows:
    """Return the rows with the values of each column changed, where there is a change for it; None stays."""
    if not any(changes):
        return rows
    columns: list[Any] = list(zip(*rows, strict=True))
    for place, change in enumerate(changes):
        if change is not None:
            columns[place] = [None if value is None else change(value) for value in columns[place]]
    return list(zip(*columns, strict=True))


def unfit(table: Table, rows: Rows) -> Iterator[str]:
    """Name each value among these that the target would not take."""
    for row in rows:
        for column, conversion, value in zip(table.columns, table.conversions, row, strict=True):
            try:
                if conversion.read is not None and value is not None:
                    conversion.read(value)
            except ValueError as exc:
                key = table.columns[table.key]
                yield f"{table.name}, {key} {row[table.key]!r}: {column} {exc}"
