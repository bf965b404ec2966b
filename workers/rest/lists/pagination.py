"""Pages of lists. A page begins behind the last row of the one before, however many rows are alike."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from typing import Any

from django.core import signing
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from workers.rest.bases import PaginatorBase, ViewBase
from workers.rest.lists.ordering import Place, TotalOrder, without_ties

Schema = dict[str, Any]


class ByPlace(PaginatorBase):
    """Makes a CursorPagination page by place in an order without ties. Stands before it in the bases.

    DRF's own knows a row by the first field of the ordering alone, and counts the rows that are alike, up to
    1,000: past that a page's `next` names the page itself.

    A cursor is signed, for its model and its ordering: what a client makes up, or takes from another list,
    never becomes part of a statement.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        self.request = request
        self.page_size = self.get_page_size(request)
        if not self.page_size:
            return None
        self.base_url = request.build_absolute_uri()
        self._order = TotalOrder.of(queryset, self.get_ordering(request, queryset, view))
        self._salt = f"workers.rest.cursor:{queryset.model._meta.label}:{self._order}"
        is_backward, place = self._read_cursor(request)
        order = self._order.backward() if is_backward else self._order
        rows, has_more = _read(queryset, order, place, self.page_size)
        self.page = rows[::-1] if is_backward else rows
        came_from = place is not None
        self.has_next, self.has_previous = (came_from, has_more) if is_backward else (has_more, came_from)
        if self.template is not None and (self.has_next or self.has_previous):
            self.display_page_controls = True
        return self.page

    def get_ordering(self, request: Request, queryset: QuerySet, view: Any) -> tuple[str, ...]:
        """Return the ordering asked for, else this class's own, else the queryset's."""
        if self.ordering is None:
            self.ordering = queryset.query.order_by or queryset.model._meta.ordering or ("pk",)
        ordering: tuple[str, ...] = super().get_ordering(request, queryset, view)
        return ordering

    def get_page_size(self, request: Request) -> int | None:
        """Return the rows of a page. Raises ValidationError for a size that is no number or too large."""
        name = self.page_size_query_param
        asked = request.query_params.get(name) if name else None
        if asked is None:
            return self.page_size
        size = int(asked) if re.fullmatch("[0-9]{1,9}", asked) else 0
        if size < 1 or (self.max_page_size and size > self.max_page_size):
            up_to = f"from 1 to {self.max_page_size:,}" if self.max_page_size else "of at least 1"
            raise ValidationError({str(name): [f"Must be a whole number {up_to}."]})
        return size

    def get_next_link(self) -> str | None:
        if not self.has_next:
            return None
        # Behind an empty page lies all there is.
        return self._link(False, self._order.place_of(self.page[-1]) if self.page else None)

    def get_previous_link(self) -> str | None:
        if not self.has_previous:
            return None
        return self._link(True, self._order.place_of(self.page[0]) if self.page else None)

    def _link(self, is_backward: bool, place: Place | None) -> str:
        # Not by orjson, which has no word for infinity.
        text = urlsafe_b64encode(json.dumps([is_backward, place], ensure_ascii=False).encode())
        cursor = signing.Signer(salt=self._salt).sign(text.decode().rstrip("="))
        return replace_query_param(str(self.base_url), self.cursor_query_param, cursor)

    def _read_cursor(self, request: Request) -> tuple[bool, Place | None]:
        """Return the direction and the place behind which the page begins. Raises NotFound."""
        cursor = request.query_params.get(self.cursor_query_param)
        if cursor is None:
            return False, None
        try:
            text = signing.Signer(salt=self._salt).unsign(cursor)
        except signing.BadSignature as exc:
            raise NotFound(
                "This cursor is not one of this list in this ordering. Follow `next` and `previous`, or "
                "begin again without a cursor."
            ) from exc
        is_backward, place = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return is_backward, place


class KeysetPagination(ByPlace, CursorPagination):  # the stubs differ in what is set
    """Pages of `page_size` rows, as many as the client asks for up to `max_page_size`.

    The primary key is added to whatever ordering is asked for. A page costs the same however deep it lies,
    where the first field of the ordering has an index.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 1_000
    ordering: Any = None
    """The ordering when none is asked for; None: the queryset's own."""

    def get_paginated_response_schema(self, schema: Schema) -> Schema:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "properties": {
                "next": link | {"description": "The page after this one; null on the last."},
                "previous": link | {"description": "The page before this one; null on the first."},
                "results": schema,
            },
            "required": ["next", "previous", "results"],
        }

    def get_schema_operation_parameters(self, view: Any) -> list[Schema]:
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            {
                "name": self.cursor_query_param,
                "in": "query",
                "description": "Where the page begins: taken from `next` or `previous` of another page.",
                "schema": {"type": "string", "minLength": 1},
            },
            {
                "name": self.page_size_query_param,
                "in": "query",
                "description": "How many to return at most.",
                "schema": size,
            },
        ]


def _read(queryset: QuerySet, order: TotalOrder, place: Place | None, size: int) -> tuple[list[Any], bool]:
    """Return the next rows behind a place, and whether there are more."""
    queryset = order.sort(queryset)
    steps = [queryset] if place is None else [queryset.filter(step) for step in order.beyond(place)]
    rows: list[Any] = []
    has_more = False
    for step in steps:
        wanted = size + 1 - len(rows)
        found = list(step[:wanted])
        rows += _without(rows, found, order) if rows else found
        has_more = len(found) == wanted
        if has_more:
            break
    return rows[:size], has_more


def _without(rows: list[Any], found: list[Any], order: TotalOrder) -> list[Any]:
    """Return what was found without rows that are there already: one was changed between two steps."""
    # The last field of an order without ties has a value once.
    known = {order.place_of(row)[-1] for row in rows}
    return [row for row in found if order.place_of(row)[-1] not in known]


@cache
def stable(pagination_class: type[BasePagination]) -> type[BasePagination]:
    """Return the class itself, or for one of DRF's cursors the class with places instead of counts."""
    if not issubclass(pagination_class, CursorPagination) or issubclass(pagination_class, ByPlace):
        return pagination_class
    return type(pagination_class.__name__, (ByPlace, pagination_class), {})


class StableListMixin(ViewBase):
    """Lists in an order without ties: the primary key decides between rows that are alike.

    However the view pages and orders, each row is on one page, and a walk through the pages ends.
    """

    _paginator: Any

    @property
    def paginator(self) -> Any:
        if not hasattr(self, "_paginator"):
            self._paginator = self.pagination_class and stable(self.pagination_class)()  # type: ignore[arg-type]  # classes are hashable
        return self._paginator

    def filter_queryset(self, queryset: Any) -> Any:
        filtered = super().filter_queryset(queryset)
        is_list = (self.lookup_url_kwarg or self.lookup_field) not in self.kwargs
        return without_ties(filtered) if is_list and isinstance(filtered, QuerySet) else filtered
