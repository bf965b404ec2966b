from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower


class Topic(models.Model):
    objects: ClassVar[models.Manager["Topic"]] = models.Manager()
    name = models.CharField(max_length=50, unique=True)

    class Meta:
        app_label = "jottings"

    def __str__(self) -> str:
        return self.name


class Jotting(models.Model):
    objects: ClassVar[models.Manager["Jotting"]] = models.Manager()
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, null=True)
    text = models.CharField(max_length=200)

    class Meta:
        app_label = "jottings"

    def __str__(self) -> str:
        return self.text


class Measurement(models.Model):
    """Has a field of each type whose values JSON does not have, and a constraint of each kind."""

    objects: ClassVar[models.Manager["Measurement"]] = models.Manager()
    label = models.CharField(max_length=20, unique=True)
    place = models.CharField(max_length=20, default="")
    took = models.DurationField(null=True)
    at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    amount = models.DecimalField(max_digits=15, decimal_places=10, null=True)
    serial = models.UUIDField(null=True)
    raw = models.BinaryField(null=True, editable=True)
    payload = models.JSONField(null=True)
    low = models.IntegerField(default=0)
    high = models.IntegerField(default=10)
    count = models.PositiveIntegerField(default=0)
    address = models.GenericIPAddressField(null=True)
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, null=True)

    class Meta:
        app_label = "jottings"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(low__lte=models.F("high")),
                name="low_is_not_above_high",
                violation_error_message="Low is above high.",
            ),
            models.UniqueConstraint(
                fields=["place", "day"],
                name="one_a_day",
                violation_error_message="One measurement a day and place.",
            ),
            models.UniqueConstraint(Lower("place"), "hour", name="one_an_hour"),
        ]

    def __str__(self) -> str:
        return self.label
