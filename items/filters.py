import django_filters

from items.models import Item


class ItemFilter(django_filters.FilterSet):
    """Filters of the item list."""

    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Item
        fields = {"name": ["exact", "startswith"]}
