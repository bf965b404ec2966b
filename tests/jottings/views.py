from typing import ClassVar

from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet, ReadOnlyModelViewSet

from tests.jottings.models import Jotting, Measurement, Topic
from workers.rest import QueuedCreateMixin, QueuedWritesMixin, ReadAfterMixin


class JottingSerializer(ModelSerializer):
    class Meta:
        model = Jotting
        fields = ["id", "topic", "text"]


class JottingViewSet(ReadAfterMixin, QueuedCreateMixin, ReadOnlyModelViewSet):
    queryset = Jotting.objects.all()
    serializer_class = JottingSerializer
    create_function = "jottings.add"


class MeasurementSerializer(ModelSerializer):
    class Meta:
        model = Measurement
        exclude: ClassVar[list[str]] = []


class MeasurementViewSet(QueuedWritesMixin, ModelViewSet):
    permission_classes = [AllowAny]
    queryset = Measurement.objects.order_by("id")
    serializer_class = MeasurementSerializer
    create_function = "jottings.measure"
    update_function = "jottings.correct"
    destroy_function = "jottings.forget"


class StrayWriteView(APIView):
    """Does what a web process must not: writes through the ORM."""

    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        Topic.objects.create(name="stray")
        return Response({})


class DeadlyView(QueuedCreateMixin, GenericAPIView):
    """Hands over a write that kills the writer."""

    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        return self.perform_write("jottings.die", {})


class BrokenView(APIView):
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        raise ZeroDivisionError("on purpose")
