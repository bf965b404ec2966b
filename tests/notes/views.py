from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from tests.notes.models import Note, Topic
from workers.rest import QueuedWritesMixin


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "topic", "text"]


class NoteViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    create_function = "notes.add"


class StrayWriteView(APIView):
    """Does what a web process must not: writes through the ORM."""

    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        Topic.objects.create(name="stray")
        return Response({})


class BrokenView(APIView):
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        raise ZeroDivisionError("on purpose")
