"""Filter backends that refuse what they do not understand, where DRF's own would ignore it.

class NoteViewSet(QueuedWritesMixin, ModelViewSet):
    filter_backends = [KnownParameters, BoundedSearchFilter, StrictOrderingFilter]
    search_fields, ordering_fields = ["text"], ["id", "text"]
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NoReturn

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend, OrderingFilter, SearchFilter
from rest_framework.request import Request
from rest_framework.settings import api_settings

Schema = dict[str, Any]

BLANKS = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Python's patterns call whitespace. Written out for the schema: other languages differ in it."""


def _refuse(name: str, message: str) -> NoReturn:
    raise ValidationError({name: [message]})


class KnownParameters(BaseFilterBackend):
    """Refuses query parameters that the list does not know, that are empty, or that are given twice.

    A mistyped filter would return everything. Stands first in `filter_backends`. A view that reads parameters
    of its own names them in `query_parameters`.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        if not request.query_params:
            return queryset
        known = _known_parameters(type(view))  # type: ignore[arg-type]  # classes are hashable
        for name, values in request.query_params.lists():
            if name not in known:
                _refuse(name[:50], f"Is not known here; known are {', '.join(sorted(known))}.")
            if len(values) > 1 and not known[name]:
                _refuse(name, "Is given more than once.")
            if not all(values):
                _refuse(name, "Is empty; give it a value or leave it out.")
        return queryset


@cache
def _known_parameters(view_class: Any) -> dict[str, bool]:
    """Return the parameters of a list, and whether each may be given more than once."""
    known = dict.fromkeys(getattr(view_class, "query_parameters", ()), False)
    if api_settings.URL_FORMAT_OVERRIDE:
        known[api_settings.URL_FORMAT_OVERRIDE] = False
    known |= dict.fromkeys(_names(view_class.pagination_class, "_query_param"), False)
    for backend in view_class.filter_backends:
        known |= dict.fromkeys(_names(backend, "search_param", "ordering_param"), False)
        known |= _filters(backend, view_class)
    return known


def _names(owner: Any, *endings: str) -> Iterator[str]:
    """Return the parameters that a paginator or a filter backend of DRF's reads, as its attributes say."""
    for attribute in dir(owner) if owner else ():
        name = getattr(owner, attribute) if attribute.endswith(endings) else None
        if isinstance(name, str):
            yield name


def _filters(backend: Any, view_class: Any) -> dict[str, bool]:
    """Return the parameters of django-filter's filters."""
    if not hasattr(backend, "get_filterset_class"):
        return {}
    queryset = view_class.queryset
    filterset = backend().get_filterset_class(view_class, None if queryset is None else queryset.all())
    filters = filterset.base_filters if filterset else {}
    known = {}
    for name, one in filters.items():
        widget = one.field.widget
        suffixes = getattr(widget, "suffixes", None)  # of ranges, which take two parameters
        for each in [f"{name}_{suffix}" if suffix else name for suffix in suffixes] if suffixes else [name]:
            known[each] = getattr(widget, "allow_multiple_selected", False)
    return known


class BoundedSearchFilter(SearchFilter):
    """Searches for so many words at most: each one is looked for in every row."""

    max_words = 8
    max_characters = 200

    @classmethod
    def pattern(cls) -> str:
        """Return what a search must match: one word at least, and commas separate words too."""
        word, between = rf"[^{BLANKS},\x00]+", f"[{BLANKS},]"
        return f"^{between}*{word}({between}+{word}){{0,{cls.max_words - 1}}}{between}*$"

    def get_search_terms(self, request: Request) -> list[str]:
        """Return the terms. Raises ValidationError that names the limit."""
        value = request.query_params.get(self.search_param, "")
        if len(value) > self.max_characters:
            _refuse(self.search_param, f"Must be at most {self.max_characters} characters long.")
        if value and not re.search(self.pattern(), value):
            _refuse(self.search_param, f"Must be 1 to {self.max_words} words, without null characters.")
        terms: list[str] = super().get_search_terms(request)
        return terms

    def get_schema_operation_parameters(self, view: Any) -> list[Schema]:
        fields = " or ".join(f"`{name.lstrip('^=@$')}`" for name in getattr(view, "search_fields", ()))
        return [
            {
                "name": self.search_param,
                "in": "query",
                "description": f"Words that must all occur in {fields}, {self.max_words} at most.",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": self.max_characters,
                    "pattern": self.pattern(),
                },
            }
        ]


class StrictOrderingFilter(OrderingFilter):
    """Orders as asked, and refuses what it cannot order by."""

    def get_ordering(self, request: Request, queryset: QuerySet, view: Any) -> Any:
        """Return the ordering. Raises ValidationError that names what is allowed."""
        if request.query_params.get(self.ordering_param) == "":
            self.remove_invalid_fields(queryset, [""], view, request)
        return super().get_ordering(request, queryset, view)

    def remove_invalid_fields(
        self, queryset: QuerySet, fields: Iterable[str], view: Any, request: Request
    ) -> list[str]:
        choices, fields = self._choices(queryset, view, request), list(fields)
        for term in fields:
            if term not in choices:
                _refuse(self.ordering_param, f"{term[:50]!r} is not known here; use {', '.join(choices)}.")
        return fields

    def _choices(self, queryset: QuerySet, view: Any, request: Request | None) -> list[str]:
        names = [name for name, _ in self.get_valid_fields(queryset, view, {"request": request})]
        return [sign + name for name in names for sign in ("", "-")]

    def get_schema_operation_parameters(self, view: Any) -> list[Schema]:
        choices = self._choices(view.get_queryset(), view, view.request)
        return [
            {
                "name": self.ordering_param,
                "in": "query",
                "description": "Fields to order by, `-` for descending. The id decides between equal rows.",
                "schema": {"type": "array", "items": {"type": "string", "enum": choices}, "minItems": 1},
                "style": "form",
                "explode": False,
            }
        ]
