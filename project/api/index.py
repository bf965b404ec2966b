"""GET /api/: where everything of the API is, for whoever opens its address."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

ROUTES = {
    "items": "item-list",
    "items_bulk": "items-bulk",
    "transactions": "transactions",
    "docs": "docs",
    "schema": "schema",
}
"""The name of each one's route, by its key."""

Links = inline_serializer("Links", {key: serializers.CharField() for key in (*ROUTES, "writes")})
Index = inline_serializer("Index", {"links": Links})


@extend_schema(
    operation_id="api_index",
    summary="Where everything of the API is",
    responses={200: Index},
    auth=[],
    tags=["index"],
)
@api_view(["GET", "HEAD"])
@authentication_classes([])
@permission_classes([])
def index(request: Request) -> Response:
    """Paths of the API, by name; in `writes` stands where the id of a write goes."""
    paths = {key: reverse(route) for key, route in ROUTES.items()}
    writes = reverse("write-status", args=[0]).removesuffix("0/")
    return Response({"links": paths | {"writes": f"{writes}{{write_id}}/"}})
