"""The service's view with other ways to write. Everything before and after the write is the same."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from items.models import Item
from items.serializers import ItemSerializer
from items.views import ItemViewSet
from items.write_functions import entity_tag
from workers.rest import KeysetPagination

RESULT_SECONDS = 30
"""How long a request waits for its Celery task."""


class PeerViewSet(ModelViewSet):
    """Validates, lets `create_item` write, and answers with 201, Location and ETag."""

    queryset = ItemViewSet.queryset
    serializer_class = ItemSerializer
    lookup_value_regex = ItemViewSet.lookup_value_regex
    pagination_class = KeysetPagination
    filter_backends = ItemViewSet.filter_backends
    filterset_class = ItemViewSet.filterset_class
    search_fields = ItemViewSet.search_fields
    ordering_fields = ItemViewSet.ordering_fields

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body = self.create_item(serializer)
        headers = {
            "Location": reverse("item-detail", args=[body["id"]]),
            "ETag": f'"{entity_tag(body)}"',
        }
        return Response(body, status=201, headers=headers)

    def create_item(self, serializer: ItemSerializer) -> Mapping[str, Any]:
        """Write, and return the item as the API shows it."""
        raise NotImplementedError


class NoopViewSet(PeerViewSet):
    """Writes nothing: the ceiling for this view on this server."""

    def create_item(self, serializer: ItemSerializer) -> Mapping[str, Any]:
        now = timezone.now()
        return Item(id=1, created_at=now, updated_at=now, **serializer.validated_data).representation()


class DirectViewSet(PeerViewSet):
    """Writes as any DRF view does: one INSERT, which commits by itself."""

    def create_item(self, serializer: ItemSerializer) -> Mapping[str, Any]:
        now = timezone.now()
        item: Item = serializer.save(created_at=now, updated_at=now)
        return item.representation()


class CeleryTaskViewSet(PeerViewSet):
    """Hands the write to a Celery task that commits it alone, and waits for the task's result."""

    def create_item(self, serializer: ItemSerializer) -> Mapping[str, Any]:
        from benchmarks.peers.celery_app import create_item

        result: dict[str, Any] = create_item.delay(dict(serializer.validated_data)).get(RESULT_SECONDS)
        return result


class CeleryBatchesViewSet(PeerViewSet):
    """Hands the write to celery-batches, which commits what came in 50 ms, and waits for the result."""

    def create_item(self, serializer: ItemSerializer) -> Mapping[str, Any]:
        from benchmarks.peers.celery_batches_app import create_items

        result: dict[str, Any] = create_items.delay(dict(serializer.validated_data)).get(RESULT_SECONDS)
        return result


VIEWS = {
    "noop": NoopViewSet,
    "direct": DirectViewSet,
    "celery-task": CeleryTaskViewSet,
    "celery-batches": CeleryBatchesViewSet,
}
