from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from items.models import NAME_MAX_CHARACTERS, Item


class StorableDateTimeField(IsoDateTimeField):
    """A time that the store can compare with, which has no years before 1 or after 9999 in UTC."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as exc:
            raise ValidationError("Lies outside of the years 1 to 9999 in UTC.") from exc


class StorableDateTimeFilter(django_filters.IsoDateTimeFilter):
    field_class = StorableDateTimeField


class ItemFilter(django_filters.FilterSet):
    """Filters of the item list."""

    name = django_filters.CharFilter(max_length=NAME_MAX_CHARACTERS)
    name__startswith = django_filters.CharFilter(
        field_name="name", lookup_expr="startswith", max_length=NAME_MAX_CHARACTERS
    )
    created_after = StorableDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = StorableDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Item
        fields: list[str] = []


class AskedFilterBackend(DjangoFilterBackend):
    """Filters where the client asks for it: to make the filters and their form takes 0.6 ms."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        if request.query_params.keys().isdisjoint(view.filterset_class.base_filters):
            return queryset
        filtered: QuerySet = super().filter_queryset(request, queryset, view)
        return filtered
