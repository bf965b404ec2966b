"""The receipts: to look at, to try failed writes again, and from there to the writes that wait."""

import json
import re
import time
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from workers.admin import objects, users
from workers.admin.filters import AcceptedFilter, FunctionFilter, UserFilter
from workers.admin.live import LiveDataView, LiveView
from workers.admin.waiting import WaitingView
from workers.conf import settings
from workers.models import Receipt
from workers.operations import retries

LEVELS = {"committed": messages.SUCCESS, "waiting": messages.WARNING}
"""How a retry's outcome is shown; any other is an error."""


@admin.register(Receipt)
class ReceiptAdmin(admin.ModelAdmin):
    list_display = ["write_id", "function_name", "outcome", "object", "user", "accepted", "settled"]
    list_filter = ["status", FunctionFilter, UserFilter, AcceptedFilter]
    search_fields = ["=write_id", "=token", "=principal"]
    search_help_text = "Write id, token, or name or id of a user"
    fields = [
        "write_id",
        "function",
        "status",
        "http_status",
        "object",
        "user",
        "accepted",
        "settled",
        "tries",
        "result",
        "failure",
        "token",
        "fingerprint",
    ]
    actions = ["retry"]
    change_list_template = "workers/admin/receipts.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count all receipts, once for each choice

    class Media:
        css = {"all": ["workers/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Receipt | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Receipt | None = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm("workers.retry_write")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm("workers.cancel_write")

    def get_urls(self) -> list[URLPattern]:
        waiting = self.admin_site.admin_view(WaitingView.as_view(model_admin=self))
        live = self.admin_site.admin_view(LiveView.as_view(model_admin=self))
        return [
            path("waiting/", waiting, name="workers_receipt_waiting"),
            path("live/", live, name="workers_receipt_live"),
            path("live/data/", LiveDataView.as_view(model_admin=self), name="workers_receipt_live_data"),
            *super().get_urls(),
        ]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether the address may ask for this. Not for arguments, which are not shown: they may hold
        the hash of a password, and letter by letter the number of rows would tell it."""
        return not lookup.startswith("arguments") and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if principals := users.principals_named(search_term.strip()):
            found = found | queryset.filter(principal__in=principals)
        return found, may_repeat

    # What leads from a receipt to something else depends on who looks, and is found for a whole page at once.

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        self._find_links(request, changes.result_list)
        return changes

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        receipt = super().get_object(request, object_id, from_field)
        if receipt is not None:
            self._find_links(request, [receipt])
        return receipt

    def _find_links(self, request: HttpRequest, receipts: Iterable[Receipt]) -> None:
        targets = objects.targets_of(receipts)
        there = objects.existing(targets.values())
        names = users.names_of(receipt.principal for receipt in receipts)
        for receipt in receipts:
            links = receipt.__dict__
            links["user_link"] = self._user_link(receipt.principal, names)
            if (target := targets.get(receipt.pk)) is not None:
                links["object_link"] = self._object_link(request, *target, is_there=target in there)

    def _user_link(self, principal: str, names: dict[str, str]) -> SafeString | str:
        if not principal:
            return "-"
        mine = f"{reverse('admin:workers_receipt_changelist', current_app=self.admin_site.name)}?principal="
        return format_html('<a href="{}{}">{}</a>', mine, principal, names.get(principal, principal))

    def _object_link(self, request: HttpRequest, model: Any, key: Any, *, is_there: bool) -> SafeString | str:
        text = f"{model._meta.verbose_name} {key}"
        if not is_there:
            return f"{text} (deleted)"
        shown_by = self.admin_site._registry.get(model)
        if shown_by is None or not shown_by.has_view_permission(request):
            return text
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(name, args=[quote(key)]), text)

    @admin.display(description="function", ordering="function")
    def function_name(self, receipt: Receipt) -> SafeString:
        """The name with places to break it, for a narrow window."""
        parts = re.findall(r"[^._]*[._]?", receipt.function)
        return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts if part))

    @admin.display(description="outcome", ordering="status")
    def outcome(self, receipt: Receipt) -> SafeString:
        status = receipt.status
        return format_html('<span class="write-{}">{} {}</span>', status, status, receipt.http_status)

    @admin.display(description="object")
    def object(self, receipt: Receipt) -> SafeString | str:
        return getattr(receipt, "object_link", "-")

    @admin.display(description="user", ordering="principal")
    def user(self, receipt: Receipt) -> SafeString | str:
        return getattr(receipt, "user_link", "-")

    @admin.display(description="accepted", ordering="write_id")
    def accepted(self, receipt: Receipt) -> str:
        # A text: of what is no field, Django's page of one object does not know the form.
        return formats.date_format(timezone.localtime(receipt.accepted_at), "DATETIME_FORMAT")

    @admin.display(description="after", ordering="committed_at")
    def settled(self, receipt: Receipt) -> str:
        """How long after its acceptance the write had its outcome, whichever: one that failed too."""
        seconds = max(0.0, (receipt.committed_at - receipt.accepted_at).total_seconds())
        return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"

    @admin.display(description="body")
    def result(self, receipt: Receipt) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(receipt.json(), indent=2, ensure_ascii=False))

    @admin.display(description="traceback")
    def failure(self, receipt: Receipt) -> SafeString | str:
        return format_html("<pre>{}</pre>", receipt.traceback) if receipt.traceback else "-"

    @admin.display(description="tries")
    def tries(self, receipt: Receipt) -> SafeString | str:
        """The other tries of the same write, first the failed one that all of them try again."""
        known = retries.families()
        others = [one for one in known.members(receipt.pk) if one != receipt.pk]
        if not others:
            return "-"
        return format_html_join(
            ", ",
            '<a href="{}">{}</a> {}',
            (
                (reverse("admin:workers_receipt_change", args=[one]), one, known.kinds.get(one, "failed"))
                for one in others
            ),
        )

    @admin.action(permissions=["retry"], description="Try failed writes again")
    def retry(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> None:
        """Submit each selected write that failed once more, and tell what became of it."""
        chosen = list(queryset.order_by("write_id")[: retries.AT_ONCE + 1])
        if len(chosen) > retries.AT_ONCE:
            text = f"Nothing was tried: select {retries.AT_ONCE} at most, or use `failed_writes --retry-all`."
            self.message_user(request, text, messages.ERROR)
            return
        known = retries.families()
        eligible = []
        for receipt in chosen:
            if reason := retries.refusal(receipt, known):
                self.message_user(
                    request,
                    f"Write {receipt.pk} was not tried again: {reason.rstrip('.')}.",
                    messages.WARNING,
                )
            else:
                eligible.append(receipt)
        submissions = [
            (receipt, retries.retry(receipt, known))
            for receipt in retries.latest_of_each_family(eligible, known)
        ]
        # Who waits in a transaction that writes would wait for the writer, which waits for that transaction.
        seconds = 0.0 if connection.in_atomic_block else settings.WRITE_WAIT_SECONDS
        until = time.monotonic() + seconds
        for receipt, submission in submissions:
            word, clause = retries.outcome_in_words(submission, max(0.0, until - time.monotonic()))
            text = f"Write {receipt.pk} was tried again: {clause}."
            self.message_user(request, text, LEVELS.get(word, messages.ERROR))
            self.log_change(request, receipt, f"Tried again: {clause}.")
