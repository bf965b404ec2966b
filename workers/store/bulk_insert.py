"""Insert many rows of one model in one statement, and know them without reading them back.

Plain SQL, because this is the path of new rows: for 500 of them it takes a fraction of what `bulk_create`
needs. It may give out the primary keys itself because the writer alone writes, within its transaction. For
models whose primary key is an AutoField, on SQLite and PostgreSQL.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

from django.db import connection
from django.db.models import AutoField, BooleanField, CharField, Field, IntegerField, Model, TextField

from workers.store.rows import insert

_NEXT_KEYS = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"
"""Of PostgreSQL, whose sequences others may use at the same time."""

# What SQLite's AUTOINCREMENT does itself. The sequence knows the keys of deleted rows, which are not used
# again; it has no row before the first insert. Explicit keys advance it, and a rollback takes it back.
_NEXT_KEY = (
    "SELECT 1 + max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = %s), 0), "
    "coalesce((SELECT max({key}) FROM {table}), 0))"
)

_AS_IT_IS = {CharField: str, TextField: str, IntegerField: int, BooleanField: bool}
"""Fields that hand values of this type to the database unchanged: asking them costs more than the insert."""


class BulkInsert:
    """Inserts rows of one model. Its fields are read from the model, so a new one needs no change here."""

    def __init__(self, model: type[Model]) -> None:
        """Raises ValueError for a model whose primary key is not an AutoField."""
        if not isinstance(model._meta.pk, AutoField):
            raise ValueError(f"{model.__name__} has no AutoField as its primary key.")
        self._model = model
        self._key: Field = model._meta.pk
        self._fields: list[Field] = [
            field for field in model._meta.concrete_fields if field is not self._key and not field.generated
        ]
        self._required = frozenset(field.name for field in self._fields if _has_to_be_given(field))

    def __call__(self, rows: Sequence[Mapping[str, Any]], **common: Any) -> list[dict[str, Any]]:
        """Insert one row for each mapping from names of fields to values, in order.

        `common` has values that all rows share; what neither names has the field's default. Returns all
        values of each row by the names of its fields, in the order of the model. Must run in a transaction
        that writes. Raises IntegrityError when the store refuses one of them, and KeyError for the lack of a
        value that has no default.
        """
        if not rows:
            return []
        are_alike = all(row.keys() == rows[0].keys() for row in rows)
        for row in rows[:1] if are_alike else rows:
            if missing := self._required - row.keys() - common.keys():
                raise KeyError(min(missing))
        fresh = self._model()
        shared = {field.name: field.pre_save(fresh, add=True) for field in self._fields} | common
        if not are_alike:
            rows = [{**shared, **row} for row in rows]
        with connection.cursor() as cursor:
            keys = self._next_keys(cursor, len(rows))
            # By columns, because that is several times as fast as by rows.
            columns = [self._column(field, rows, shared) for field in self._fields]
            # A list: a statement that SQLite refuses to a reader is run again with the store lock.
            insert(cursor, self._insert, list(zip(keys, *columns, strict=False)))
        return [{self._key.name: key, **shared, **row} for key, row in zip(keys, rows, strict=True)]

    def _next_keys(self, cursor: Any, count: int) -> Sequence[int]:
        table = self._model._meta.db_table
        if connection.vendor == "sqlite":
            cursor.execute(self._next_key, [table])
            first: int = cursor.fetchone()[0]
            return range(first, first + count)
        cursor.execute(_NEXT_KEYS, [connection.ops.quote_name(table), self._key.column, count])
        return [row[0] for row in cursor.fetchall()]

    def _column(
        self, field: Field, rows: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]
    ) -> Iterable[Any]:
        """Return the field's values, ready for the database. All rows have the same names."""
        if field.name not in rows[0]:
            return repeat(field.get_db_prep_save(shared[field.name], connection))
        values = [row[field.name] for row in rows]
        if {type(value) for value in values} <= self._unchanged[field.name]:
            return values
        return [field.get_db_prep_save(value, connection) for value in values]

    @cached_property
    def _unchanged(self) -> dict[str, frozenset[type]]:
        return {field.name: _unchanged(field) for field in self._fields}

    @cached_property
    def _insert(self) -> str:
        quote = connection.ops.quote_name
        columns = [quote(str(field.column)) for field in (self._key, *self._fields)]
        return f"INSERT INTO {quote(self._model._meta.db_table)} ({', '.join(columns)})"

    @cached_property
    def _next_key(self) -> str:
        quote = connection.ops.quote_name
        return _NEXT_KEY.format(key=quote(str(self._key.column)), table=quote(self._model._meta.db_table))


def _unchanged(field: Field) -> frozenset[type]:
    """Return the types of values that this field hands to the database unchanged, as far as it is known."""
    own = (cls for cls in type(field).__mro__ if not cls.__module__.startswith("django.db.models."))
    if any("get_db_prep_save" in vars(cls) or "get_prep_value" in vars(cls) for cls in own):
        return frozenset()
    return frozenset(_AS_IT_IS[cls] for cls in type(field).__mro__ if cls in _AS_IT_IS)


def _has_to_be_given(field: Field) -> bool:
    """Return whether a row without a value for this field would get none that anybody chose."""
    sets_itself = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return not (field.null or field.has_default() or sets_itself)
