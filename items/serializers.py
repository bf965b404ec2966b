from typing import Any

from rest_framework import serializers

from items.models import NAME_MAX_CHARACTERS, Item, no_control_characters
from workers.rest import SharedFieldsMixin


class TextField(serializers.CharField):
    """A text that must be a JSON string; DRF's own field also takes numbers."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ItemSerializer(SharedFieldsMixin, serializers.ModelSerializer):
    """Validates what clients send; what they get is `Item.representation`."""

    name = TextField(max_length=NAME_MAX_CHARACTERS, validators=[no_control_characters])

    class Meta:
        model = Item
        fields = ["id", "name", "created_at", "updated_at", "version"]
        read_only_fields = ["created_at", "updated_at", "version"]

    def to_representation(self, instance: Item) -> dict[str, Any]:
        return instance.representation()
