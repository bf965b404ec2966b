import json

from django.contrib import admin
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from workers.models import Receipt


@admin.register(Receipt)
class ReceiptAdmin(admin.ModelAdmin):
    list_display = ["write_id", "function", "outcome", "principal", "accepted", "committed_at"]
    list_filter = ["status", "function", "committed_at"]
    search_fields = ["=write_id", "=token", "=principal"]
    search_help_text = "Write id, token or principal"
    fields = [
        "write_id",
        "function",
        "status",
        "http_status",
        "result",
        "failure",
        "principal",
        "accepted",
        "committed_at",
        "token",
        "fingerprint",
    ]
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether the address may ask for this. Not for arguments, which are not shown: they may hold
        the hash of a password, and letter by letter the number of rows would tell it."""
        return not lookup.startswith("arguments") and super().lookup_allowed(lookup, value, request)

    class Media:
        css = {"all": ["workers/admin.css"]}

    @admin.display(description="outcome", ordering="status")
    def outcome(self, receipt: Receipt) -> str:
        return f"{receipt.status} {receipt.http_status}"

    @admin.display(description="accepted", ordering="write_id")
    def accepted(self, receipt: Receipt) -> str:
        # A text: of what is no field, Django's page of one object does not know the form.
        return formats.date_format(timezone.localtime(receipt.accepted_at), "DATETIME_FORMAT")

    @admin.display(description="body")
    def result(self, receipt: Receipt) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(receipt.json(), indent=2, ensure_ascii=False))

    @admin.display(description="traceback")
    def failure(self, receipt: Receipt) -> SafeString | str:
        return format_html("<pre>{}</pre>", receipt.traceback) if receipt.traceback else "-"
