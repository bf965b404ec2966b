from typing import Any

from rest_framework import serializers

from items.models import Item


class ItemSerializer(serializers.ModelSerializer):
    """Validates what clients send; what they get is `Item.representation`."""

    class Meta:
        model = Item
        fields = ["id", "name", "created_at", "updated_at", "version"]
        read_only_fields = ["created_at", "updated_at", "version"]

    def to_representation(self, instance: Item) -> dict[str, Any]:
        return instance.representation()
