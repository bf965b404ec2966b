"""What an API token may do. Knox's own table knows whose it is and when it expires."""

from django.db import models


class Scope(models.TextChoices):
    """What may be asked for with a token. Its user's permissions limit it further."""

    READ = "read"
    """GET, HEAD and OPTIONS."""
    WRITE = "write"
    """Everything; includes `read`."""


class TokenScope(models.Model):
    """The scope of one token. A token without such a row, made by a former version, may write."""

    token = models.OneToOneField("knox.AuthToken", models.CASCADE, primary_key=True, related_name="granted")
    scope = models.CharField(max_length=5, choices=Scope.choices, default=Scope.WRITE)

    def __str__(self) -> str:
        return self.scope
