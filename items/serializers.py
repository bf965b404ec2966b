from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from items.models import CONTROL_CHARACTERS, NAME_MAX_CHARACTERS, Item, no_control_characters
from workers.rest import SharedFieldsMixin, StrictCharField

# Without surrogates, which no JSON text has and no pattern of other languages may name.
_WITHIN = CONTROL_CHARACTERS.replace("[", "[^", 1).replace(r"\ud800-\udfff", "")
NAME_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_MAX_CHARACTERS,
    "pattern": rf"^{_WITHIN}*{_WITHIN[:-1]}\s]{_WITHIN}*$",
    "description": "Without control characters, and not only blanks; blanks at both ends are taken away.",
    "examples": ["first item"],
}


@extend_schema_field(NAME_SCHEMA)
class NameField(StrictCharField):
    """The name, with the schema of what it takes: no schema can be derived from the model's validator."""


class ItemSerializer(SharedFieldsMixin, serializers.ModelSerializer):
    """A named thing."""

    # Validates what clients send; what they get is `Item.representation`, which has the same fields.

    name = NameField(max_length=NAME_MAX_CHARACTERS, validators=[no_control_characters])

    class Meta:
        model = Item
        fields = "__all__"
        read_only_fields = ["created_at", "updated_at", "version"]

    def to_representation(self, instance: Item) -> dict[str, Any]:
        return instance.representation()
