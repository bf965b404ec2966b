"""The items: what this service stores."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models

NAME_MAX_CHARACTERS = 200

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
no_control_characters = RegexValidator(
    CONTROL_CHARACTERS,
    "Control characters are not allowed.",
    "control_characters",
    inverse_match=True,
)


class Item(models.Model):
    """A named thing. Its rows are written by the writer only, see items/write_functions.py."""

    name = models.CharField(max_length=NAME_MAX_CHARACTERS, db_index=True, validators=[no_control_characters])
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    version = models.PositiveBigIntegerField(default=1, help_text="Grows by one with each change.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    def representation(self) -> dict[str, Any]:
        """Return the item as the API shows it: all fields of its own."""
        return {field.name: getattr(self, field.attname) for field in self._meta.concrete_fields}
