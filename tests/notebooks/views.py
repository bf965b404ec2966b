"""Views as applications have them: what they do to the store is done by the writer."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import permissions, serializers
from rest_framework.decorators import action
from rest_framework.generics import RetrieveUpdateAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ModelViewSet

from tests.notebooks import papers
from tests.notebooks.models import Line, Note, Notebook, Tag
from workers.rest import BoundedJSONParser, QueuedUpdateMixin, QueuedWriteMixin, QueuedWritesMixin


class IsOwner(permissions.BasePermission):
    """Everybody may read, the owner may write."""

    message = "This is not yours."

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        return request.method in permissions.SAFE_METHODS or obj.owner == request.user


class TagSerializer(serializers.ModelSerializer):
    class Meta:
        model = Tag
        fields = ["id", "name"]


class TagViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Tag.objects.order_by("id")
    serializer_class = TagSerializer


class NotebookSerializer(serializers.ModelSerializer):
    owner = serializers.HiddenField(default=serializers.CurrentUserDefault())

    class Meta:
        model = Notebook
        fields = ["id", "owner", "title", "slug"]


class NotebookViewSet(QueuedWritesMixin, ModelViewSet):
    """Shows everybody their own, by slug."""

    queryset = Notebook.objects.order_by("id")
    serializer_class = NotebookSerializer
    lookup_field = "slug"

    def get_queryset(self) -> models.QuerySet[Notebook]:
        return super().get_queryset().filter(owner=self.request.user)


class LineSerializer(serializers.ModelSerializer):
    class Meta:
        model = Line
        fields = ["text"]


class NoteSerializer(serializers.ModelSerializer):
    lines = LineSerializer(many=True, required=False)

    class Meta:
        model = Note
        exclude: ClassVar[list[str]] = []
        read_only_fields: ClassVar[list[str]] = ["owner", "paper"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and self.instance.is_locked and attrs.get("is_locked", True):
            raise serializers.ValidationError("This note is locked.")
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Note:
        lines = validated_data.pop("lines", [])
        note: Note = super().create(validated_data)
        Line.objects.bulk_create(Line(note=note, **line) for line in lines)
        return note

    def update(self, instance: Note, validated_data: dict[str, Any]) -> Note:
        lines = validated_data.pop("lines", None)
        note: Note = super().update(instance, validated_data)
        if lines is not None:
            Line.objects.filter(note=note).delete()
            Line.objects.bulk_create(Line(note=note, **line) for line in lines)
        return note


told: list[str] = []
"""What views put off until their write was durable."""


class NoteViewSet(QueuedWritesMixin, ModelViewSet):
    queryset = Note.objects.order_by("id").prefetch_related("lines", "tags")
    serializer_class: Any = NoteSerializer
    permission_classes = [permissions.IsAuthenticated, IsOwner]
    parser_classes = [BoundedJSONParser, MultiPartParser]

    def perform_create(self, serializer: Any) -> None:
        match serializer.validated_data["text"]:
            case "forbidden":
                raise PermissionDenied("Not this text.")
            case "nowhere":
                raise Http404("No such place.")
            case "unclean":
                Note(owner=self.request.user, text="unclean").full_clean()
            case "broken":
                raise ZeroDivisionError("on purpose")
        note = serializer.save(owner=self.request.user)
        transaction.on_commit(lambda: told.append(note.text))

    def perform_destroy(self, instance: Note) -> None:
        if instance.is_locked:
            raise serializers.ValidationError({"is_locked": "A locked note stays."})
        instance.delete()

    @action(detail=True, methods=["post"])
    def lock(self, request: Request, pk: str) -> Response:
        return self.perform_write("notebooks.lock", {"id": pk})

    @action(detail=True, methods=["post"], permission_classes=[permissions.IsAuthenticated])
    def praise(self, request: Request, pk: str) -> Response:
        return self.perform_write("notebooks.praise", {"id": pk})


class PaperSerializer(serializers.Serializer):
    text = serializers.CharField()
    paper = serializers.FileField()


class PaperViewSet(QueuedWriteMixin, GenericViewSet):
    """Takes a file: the web process stores it, the writer makes the row that names it."""

    queryset = Note.objects.all()
    permission_classes = [permissions.IsAuthenticated]
    parser_classes = [MultiPartParser]

    def create(self, request: Request) -> Response:
        form = PaperSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        name = papers.store(form.validated_data["paper"])
        with papers.removed_unless_written(name):
            return self.perform_write("notebooks.add_paper", form.validated_data | {"paper": name})


class ManyTagsViewSet(TagViewSet):
    """Takes a list of tags as well as one."""

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["many"] = kwargs.get("many", isinstance(kwargs.get("data"), list))
        return super().get_serializer(*args, **kwargs)


class SelfSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["username", "first_name"]
        read_only_fields: ClassVar[list[str]] = ["username"]


class SelfView(QueuedUpdateMixin, RetrieveUpdateAPIView):
    """Who asks is the object: no path names it."""

    permission_classes = [permissions.IsAuthenticated]
    serializer_class = SelfSerializer

    def get_object(self) -> Any:
        return get_object_or_404(User, username=self.request.user.get_username())


class OwnFunctionsViewSet(NoteViewSet):
    """The same notes and permissions, with write functions of its own."""

    create_function = "notebooks.add_paper"
    update_function = "notebooks.praise"
    destroy_function = "notebooks.lock"


class UnguardedViewSet(OwnFunctionsViewSet):
    check_object_in_writer = False


class GuardedTagViewSet(TagViewSet):
    """Hides nothing and judges nobody, and is asked all the same."""

    check_object_in_writer = True
    destroy_function = "notebooks.praise"


class TwoSerializersViewSet(QueuedWritesMixin, ModelViewSet):
    """Reads by one serializer and writes by another."""

    queryset = Note.objects.order_by("id")
    http_method_names = ["get", "post", "patch"]

    class Shown(serializers.ModelSerializer):
        class Meta:
            model = Note
            fields = ["id", "text", "number"]

    class Written(serializers.ModelSerializer):
        class Meta:
            model = Note
            fields = ["id", "text"]

    def get_serializer_class(self) -> Any:
        return self.Shown if self.action in {"list", "retrieve"} else self.Written

    def perform_create(self, serializer: Any) -> None:
        serializer.save(owner=self.request.user)
