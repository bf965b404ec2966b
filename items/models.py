"""The items: what this service stores."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Greatest
from django.utils import timezone

NAME_MAX_CHARACTERS = 200

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
no_control_characters = RegexValidator(
    CONTROL_CHARACTERS,
    "Control characters are not allowed.",
    "control_characters",
    inverse_match=True,
)


class ItemQuerySet(models.QuerySet["Item"]):
    """Counts versions where many rows change at once, as an action of the admin may have them change."""

    def update(self, **values: Any) -> int:
        """Change the rows, each as its next version."""
        now = models.Value(timezone.now(), models.DateTimeField())
        version = {"version": models.F("version") + 1, "updated_at": Greatest("updated_at", now)}
        return super().update(**version | values)

    update.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own


class Item(models.Model):
    """A named thing. Whoever saves it makes its next version: write functions, the admin, a shell."""

    name = models.CharField(max_length=NAME_MAX_CHARACTERS, db_index=True, validators=[no_control_characters])
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    version = models.PositiveBigIntegerField(default=1, help_text="Grows by one with each change.")

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **options: Any) -> None:
        """Save a new one as made now, another one as changed now: its next version."""
        now = timezone.now()
        if self._state.adding:
            self.created_at = self.created_at or now
            self.updated_at = self.updated_at or self.created_at
        else:
            self.version += 1
            self.updated_at = max(now, self.updated_at)
            if options.get("update_fields") is not None:
                options["update_fields"] = {*options["update_fields"], "version", "updated_at"}
        super().save(*args, **options)

    def representation(self) -> dict[str, Any]:
        """Return the item as the API shows it: all fields of its own."""
        return {field.name: getattr(self, field.attname) for field in self._meta.concrete_fields}
