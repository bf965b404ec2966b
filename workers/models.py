"""The receipts, as a Django model for reading: status resource, admin, commands."""

from datetime import UTC, datetime
from typing import Any

from django.db import models

from workers.encoding.exact_json import from_json
from workers.writes import WriteStatus


class Receipt(models.Model):
    """What became of one write. Inserted by the writer only, see workers/store/receipts.py."""

    write_id = models.BigIntegerField(primary_key=True, help_text="Place in the order of acceptance.")
    token = models.UUIDField(unique=True, help_text="One receipt per token, however often the write is sent.")
    function = models.CharField(max_length=100, help_text="Name of the write function.")
    principal = models.CharField(max_length=100, blank=True, help_text="Who asked.")
    fingerprint = models.CharField(max_length=32, blank=True, help_text="Digest of the request behind a key.")
    status = models.CharField(max_length=9, choices=[(status, status) for status in WriteStatus])
    http_status = models.PositiveSmallIntegerField(help_text="HTTP status of the response.")
    # Null, unlike Django's custom for texts: SQLite then adds the columns in place.
    etag = models.CharField(  # noqa: DJ001 - see above
        max_length=255, null=True, blank=True, help_text="Entity tag of what it left."
    )
    key = models.CharField(  # noqa: DJ001 - see above
        max_length=255, null=True, blank=True, help_text="Primary key of what it created or changed."
    )
    body = models.TextField(help_text="JSON: the result, or the error with its code and detail.")
    traceback = models.TextField(blank=True, help_text="Where a failed write's function raised.")
    arguments = models.TextField(blank=True, help_text="JSON: a failed write's arguments, for another try.")
    retry_of = models.BigIntegerField(null=True, blank=True, help_text="The failed write tried again.")
    committed_at = models.DateTimeField()

    class Meta:
        ordering = ["-write_id"]
        permissions = [
            ("retry_write", "Can try failed writes again"),
            ("cancel_write", "Can cancel waiting writes"),
        ]

    def __str__(self) -> str:
        return f"{self.write_id} {self.function} {self.status}"

    @property
    def accepted_at(self) -> datetime:
        return accepted_at(self.write_id)

    def json(self) -> Any:
        return from_json(self.body.encode())


def accepted_at(write_id: int) -> datetime:
    """Return when Redis accepted the write: its id is that moment in microseconds."""
    return datetime.fromtimestamp(write_id / 1e6, tz=UTC)
