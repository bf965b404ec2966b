"""Orders without ties: an ordering, completed so that no two rows are equal in it.

A row has a place in such an order, and a page can begin behind that place: no row comes twice, none is left
out, and a walk from page to page ends.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import ExpressionWrapper, F, Q, QuerySet, Value

Place = list[Any]
"""Where a row stands: its value for each key of the order, as the database has it."""


class Stored(models.Field):
    """The type of a value that nothing converts on its way in and out.

    What Django shows of a value may be less than is stored: SQLite keeps all digits of a decimal, Django
    rounds it. A page that began behind the rounded value would begin with the same row again.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One field of an order."""

    path: str
    """As in `order_by`, without the sign: a field, a field of a related row, or an annotation."""
    descending: bool
    nullable: bool
    """Whether NULL occurs; it counts as less than any value, on every database."""
    unique: bool
    """Whether no two rows have the same value."""
    is_shown_as_stored: bool
    """Whether the row's attribute is what the database has."""

    @property
    def stored(self) -> str:
        """The name under which a row has the value as it is stored."""
        return self.path if self.is_shown_as_stored else f"stored_{self.path.replace('__', '_')}"

    def ordering(self) -> Any:
        """Return what `order_by` takes."""
        if not self.nullable:
            return f"-{self.path}" if self.descending else self.path
        return F(self.path).desc(nulls_last=True) if self.descending else F(self.path).asc(nulls_first=True)

    def value(self, row: Any) -> Any:
        """Return the row's value, as JSON has it. Raises ImproperlyConfigured for what JSON has not."""
        value = row[self.stored] if isinstance(row, dict) else getattr(row, self.stored)
        if isinstance(value, bytes | memoryview):
            raise ImproperlyConfigured(f"Pages cannot be ordered by {self.path!r}, which holds bytes.")
        return value if value is None or isinstance(value, str | int | float) else str(value)

    def at(self, value: Any) -> Q:
        """Match the rows with this value."""
        return self._is("isnull", True) if value is None else self._is("exact", value)

    def beyond(self, value: Any) -> list[Q]:
        """Match the rows that come after those with this value, in steps, the nearest first."""
        if not self.descending:
            return [self._is("isnull", False) if value is None else self._is("gt", value)]
        if value is None:
            return []
        return [self._is("lt", value), *([self._is("isnull", True)] if self.nullable else [])]

    def _is(self, lookup: str, value: Any) -> Q:
        if lookup != "isnull":
            value = Value(value, output_field=Stored())
        return Q(**{f"{self.path}__{lookup}": value})


@dataclass(frozen=True, slots=True)
class TotalOrder:
    """An order of a queryset's rows in which no two are equal."""

    keys: tuple[Key, ...]

    @classmethod
    def of(cls, queryset: QuerySet, ordering: Iterable[str]) -> "TotalOrder":
        """Complete an ordering with the primary key. Raises ImproperlyConfigured, FieldDoesNotExist."""
        keys: dict[str, Key] = {}
        descending = False
        for term in [*ordering, ""]:
            if not isinstance(term, str):
                raise ImproperlyConfigured(f"Pages need an ordering by names of fields, not {term!r}.")
            # In the direction of the field before, so that one index, read one way, serves both.
            descending = term.startswith("-") if term else descending
            key = _key(queryset, term.lstrip("-") or "pk", descending)
            keys.setdefault(key.path, key)
            if key.unique:
                break  # what follows decides nothing
        return cls(tuple(keys.values()))

    def __str__(self) -> str:
        return ",".join(f"-{key.path}" if key.descending else key.path for key in self.keys)

    def backward(self) -> "TotalOrder":
        return TotalOrder(tuple(replace(key, descending=not key.descending) for key in self.keys))

    def sort(self, queryset: QuerySet) -> QuerySet:
        """Return the queryset in this order, whose rows know their place."""
        stored = {
            key.stored: ExpressionWrapper(F(key.path), output_field=Stored())
            for key in self.keys
            if not key.is_shown_as_stored
        }
        if stored:
            queryset = queryset.annotate(**stored)
        return queryset.order_by(*(key.ordering() for key in self.keys))

    def place_of(self, row: Any) -> Place:
        return [key.value(row) for key in self.keys]

    def beyond(self, place: Place) -> Iterator[Q]:
        """Match the rows behind a place, in steps, the nearest first.

        One condition for all of them would be shorter, and SQLite would read every row that is equal in the
        first field to decide it. Each step is a range of an index on that field.
        """
        for depth in reversed(range(len(self.keys))):
            equal = Q()
            for key, value in zip(self.keys[:depth], place, strict=False):
                equal &= key.at(value)
            for step in self.keys[depth].beyond(place[depth]):
                yield equal & step


SHOWN_AS_STORED = models.AutoField | models.IntegerField | models.CharField | models.TextField


def _key(queryset: QuerySet, path: str, descending: bool) -> Key:
    if path in queryset.query.annotations:
        return Key(path=path, descending=descending, nullable=True, unique=False, is_shown_as_stored=False)
    options: Any = queryset.model._meta
    names, nullable = [], False
    for name in path.split("__"):
        field = options.pk if name == "pk" else options.get_field(name)
        if field.one_to_many or field.many_to_many:
            raise ImproperlyConfigured(
                f"Ordering by {path!r} gives a row several places; it cannot be paged."
            )
        names.append(field.name)
        nullable = nullable or field.null
        if field.is_relation:
            options = field.related_model._meta
    # The column itself: ordering by a relation means ordering by the related model's own ordering.
    names[-1] = field.attname
    is_own = len(names) == 1
    return Key(
        path="__".join(names),
        descending=descending,
        nullable=nullable,
        unique=is_own and field.unique and not nullable,
        is_shown_as_stored=is_own
        and isinstance(field, SHOWN_AS_STORED)
        and not hasattr(field, "from_db_value"),
    )


def without_ties(queryset: QuerySet) -> QuerySet:
    """Return the queryset with its ordering completed by the primary key, where that can be told."""
    query = queryset.query
    if query.is_sliced or query.combinator or query.extra_order_by or queryset._fields is not None:  # type: ignore[attr-defined]  # Django's private names, of which the stubs know a part
        return queryset
    default: Any = queryset.model._meta.ordering if query.default_ordering else ()
    ordering: Any = query.order_by or default
    if not all(isinstance(term, str) for term in ordering):
        return queryset.order_by(*ordering, "pk")
    if "?" in ordering:
        return queryset
    last = ordering[-1] if ordering else ""
    if last.lstrip("-") in {"pk", queryset.model._meta.pk.name}:
        return queryset
    return queryset.order_by(*ordering, "-pk" if last.startswith("-") else "pk")
