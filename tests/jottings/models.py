from typing import ClassVar

from django.db import models


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
