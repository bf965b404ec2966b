"""Operations of own viewsets describe themselves by their model or their own docstrings."""

from typing import Any

from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ModelViewSet

from tests.jottings.models import Jotting
from tests.jottings.views import JottingSerializer
from workers.rest import QueuedWritesMixin


class PlainViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer


class ToldViewSet(PlainViewSet):
    """Programmers read this."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Jot something down.

        In no more than 200 characters.
        """
        return super().create(request, *args, **kwargs)


def operations(viewset: Any) -> dict[str, Any]:
    router = SimpleRouter()
    router.register("jottings", viewset, basename="jotting")
    paths = SchemaGenerator(patterns=router.urls).get_schema(request=None, public=True)["paths"]
    return {
        one["operationId"].rpartition("jottings_")[2]: one for path in paths.values() for one in path.values()
    }


def test_an_own_viewset_is_described_by_its_model_and_not_by_the_mixins() -> None:
    described = operations(PlainViewSet)

    assert {name: one["summary"] for name, one in described.items()} == {
        "list": "List jottings",
        "create": "Create a jotting",
        "retrieve": "Read a jotting",
        "update": "Replace a jotting",
        "partial_update": "Change a jotting",
        "destroy": "Delete a jotting",
    }
    assert all(one["description"] for one in described.values())
    assert "ModelViewSet" not in str(described)


def test_a_docstring_of_an_operation_describes_it() -> None:
    described = operations(ToldViewSet)

    assert described["create"]["description"] == "Jot something down.\n\nIn no more than 200 characters."
    assert (
        described["destroy"]["description"]
        == "The response comes once the jotting is gone; after the wait limit it is 202."
    )
    assert "Programmers" not in str(described)
