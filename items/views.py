from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from items import openapi
from items.bodies import bulk_arguments
from items.filters import AskedFilterBackend, ItemFilter
from items.models import Item
from items.operations import transaction_arguments
from items.permissions import ModelPermissions, message_about, of_transaction
from items.serializers import ItemSerializer
from items.write_functions import entity_tag
from workers.rest import (
    BoundedSearchFilter,
    KeysetPagination,
    KnownParameters,
    QueuedWriteMixin,
    QueuedWritesMixin,
    StrictOrderingFilter,
)

_DETAIL: dict[str, Any] = {"parameters": [openapi.ITEM_ID]}


@extend_schema_view(
    list=extend_schema(parameters=openapi.LIST_FILTERS),
    create=extend_schema(examples=openapi.NAMED),
    retrieve=extend_schema(**_DETAIL),
    update=extend_schema(**_DETAIL, examples=openapi.NAMED),
    partial_update=extend_schema(**_DETAIL, examples=openapi.NAMED),
    destroy=extend_schema(**_DETAIL),
)
class ItemViewSet(QueuedWritesMixin, ModelViewSet):
    """Items: read from the store, written through the writer."""

    queryset = Item.objects.all()
    permission_classes = [ModelPermissions]
    serializer_class = ItemSerializer
    create_function = "items.create"
    update_function = "items.update"
    destroy_function = "items.delete"
    lookup_value_regex = "[0-9]{1,18}"
    pagination_class = KeysetPagination
    filter_backends = [KnownParameters, AskedFilterBackend, BoundedSearchFilter, StrictOrderingFilter]
    filterset_class = ItemFilter
    search_fields = ["name"]
    ordering_fields = ["id", "name"]

    def get_entity_tag(self, body: Any) -> str | None:
        return entity_tag(body) if body else None


class BulkCreateView(QueuedWriteMixin, APIView):
    """Create many items with one write."""

    queryset = Item.objects.all()  # whose permissions are asked
    permission_classes = [ModelPermissions]
    instead_of_conditions = "an item that does not exist yet has no entity tag."

    @extend_schema(**openapi.BULK_CREATE)
    def post(self, request: Request) -> Response:
        return self.perform_write("items.create_many", bulk_arguments(request.data))


class TransactionView(QueuedWriteMixin, APIView):
    """Change several items with one write."""

    instead_of_conditions = "a transaction takes `version` with each operation instead."

    @extend_schema(**openapi.TRANSACTION)
    def post(self, request: Request) -> Response:
        arguments = transaction_arguments(request.data)
        needed = of_transaction(arguments)
        if not request.user.has_perms(needed):
            self.permission_denied(request, message=message_about(needed))
        return self.perform_write("items.transact", arguments)
