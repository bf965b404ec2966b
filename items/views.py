from typing import Any

from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from items.filters import ItemFilter
from items.models import Item
from items.pagination import ItemPagination
from items.serializers import ItemSerializer
from items.write_functions import entity_tag
from workers.rest import QueuedWritesMixin


class ItemViewSet(QueuedWritesMixin, ModelViewSet):
    """Items: read from the store, written through the writer."""

    queryset = Item.objects.all()
    serializer_class = ItemSerializer
    create_function = "items.create"
    update_function = "items.update"
    destroy_function = "items.delete"
    lookup_value_regex = "[0-9]{1,18}"
    pagination_class = ItemPagination
    filter_backends = [DjangoFilterBackend, SearchFilter, OrderingFilter]
    filterset_class = ItemFilter
    search_fields = ["name"]
    ordering_fields = ["id", "name"]

    def get_entity_tag(self, body: Any) -> str | None:
        return entity_tag(body["id"], body["version"]) if body else None

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().retrieve(request, *args, **kwargs)
        response["ETag"] = f'"{self.get_entity_tag(response.data)}"'
        return response
