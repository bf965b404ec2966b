from rest_framework import serializers

from tests.notebooks.models import Note
from workers.management.transfer import ImportCommand


class ColumnsSerializer(serializers.ModelSerializer):
    """A note by its columns, of many types."""

    class Meta:
        model = Note
        fields = [
            *("id", "owner", "notebook", "number", "text", "took", "price", "payload", "is_locked"),
            "changed_at",
        ]


class Command(ImportCommand):
    serializer_class = ColumnsSerializer
