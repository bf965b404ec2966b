"""Models as applications have them, of which no view names a write function."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models


class Tag(models.Model):
    objects: ClassVar[models.Manager["Tag"]] = models.Manager()
    name = models.CharField(max_length=50, unique=True)

    class Meta:
        app_label = "notebooks"

    def __str__(self) -> str:
        return self.name


class Notebook(models.Model):
    objects: ClassVar[models.Manager["Notebook"]] = models.Manager()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    title = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)

    class Meta:
        app_label = "notebooks"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "title"],
                name="one_title_an_owner",
                violation_error_message="You have a notebook of this title.",
            )
        ]

    def __str__(self) -> str:
        return self.title


class Note(models.Model):
    objects: ClassVar[models.Manager["Note"]] = models.Manager()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    notebook = models.ForeignKey(Notebook, on_delete=models.PROTECT, null=True, blank=True)
    number = models.PositiveIntegerField(default=0)
    text = models.CharField(max_length=200)
    tags = models.ManyToManyField(Tag, blank=True)
    took = models.DurationField(null=True, blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    payload = models.JSONField(null=True, blank=True)
    paper = models.FileField(null=True, blank=True)
    is_locked = models.BooleanField(default=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "notebooks"
        unique_together = [("notebook", "number")]

    def __str__(self) -> str:
        return self.text

    def clean(self) -> None:
        if self.text == "unclean":
            raise ValidationError({"text": "This text is not clean."})


class Line(models.Model):
    """A part of a note that is written with it."""

    objects: ClassVar[models.Manager["Line"]] = models.Manager()
    note = models.ForeignKey(Note, on_delete=models.CASCADE, related_name="lines")
    text = models.CharField(max_length=200)

    class Meta:
        app_label = "notebooks"

    def __str__(self) -> str:
        return self.text
