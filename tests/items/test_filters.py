import pytest
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from items.filters import AskedFilterBackend, ItemFilter
from items.models import Item
from items.views import ItemViewSet


@pytest.mark.parametrize("name", ItemFilter.base_filters)
def test_every_filter_that_is_asked_for_is_applied(name: str) -> None:
    value = "2026-01-01T00:00:00Z" if name.startswith("created") else "a"
    request = Request(APIRequestFactory().get("/", {name: value}))

    filtered = AskedFilterBackend().filter_queryset(request, Item.objects.all(), ItemViewSet())

    expected = DjangoFilterBackend().filter_queryset(request, Item.objects.all(), ItemViewSet())
    assert str(filtered.query) == str(expected.query) != str(Item.objects.all().query)


def test_no_filter_is_made_where_none_is_asked_for() -> None:
    everything = Item.objects.all()
    request = Request(APIRequestFactory().get("/", {"page_size": "5", "unknown": "x"}))

    assert AskedFilterBackend().filter_queryset(request, everything, ItemViewSet()) is everything
