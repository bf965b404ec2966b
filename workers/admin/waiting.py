"""The writes that wait in the stream, in the admin: shown in the order in which they will be committed."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views import View

from workers.admin import users
from workers.encoding.counts import counted
from workers.exceptions import WritePathError
from workers.models import Receipt
from workers.operations import waiting
from workers.operations.absence import why_no_writer
from workers.operations.status import queue_status
from workers.stream.cancellations import Cancelled

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
"""Each is read whole, with its arguments, to know whose it is."""

TOLD = {
    Cancelled.IN_TIME: (
        messages.SUCCESS,
        "{} cancelled: rejected, with a receipt, once the writer comes to it.",
    ),
    Cancelled.READ: (
        messages.WARNING,
        "{} asked for too late: the writer has read it, and commits it. It is cancelled only if the writer "
        "has to begin anew with it, as while the store is unwell.",
    ),
    Cancelled.GONE: (
        messages.WARNING,
        "{} not cancelled: nothing waits under that id any more. See its receipt.",
    ),
}


class WaitingView(View):
    """GET shows a page of what waits, POST cancels what was selected."""

    model_admin: Any = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not self.model_admin.has_view_permission(request):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        site = self.model_admin.admin_site
        context: dict[str, Any] = {
            **site.each_context(request),
            "title": "Waiting writes",
            "opts": self.model_admin.opts,
            "media": self.model_admin.media,
            "may_cancel": self.model_admin.has_cancel_permission(request),
            "after": _number(request.GET.get("after")),
        }
        try:
            context |= _page(context["after"])
        except WritePathError as exc:
            context["error"] = str(exc)
        request.current_app = site.name  # Django's templates look for it
        return TemplateResponse(request, "workers/admin/waiting.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        if not self.model_admin.has_cancel_permission(request):
            raise PermissionDenied
        write_ids = [number for text in request.POST.getlist("write") if (number := _number(text))]
        if not write_ids:
            messages.warning(request, "Select the writes that are to be cancelled.")
            return HttpResponseRedirect(request.get_full_path())
        try:
            met = waiting.cancel(write_ids)
        except WritePathError as exc:
            messages.error(request, f"Not cancelled. {exc}")
            return HttpResponseRedirect(request.get_full_path())
        for fate, count in Counter(met.values()).items():
            level, text = TOLD[fate]
            messages.add_message(request, level, text.format(counted(count, "write")))
        self._note(request, [write_id for write_id, fate in met.items() if fate is not Cancelled.GONE])
        return HttpResponseRedirect(request.get_full_path())

    def _note(self, request: HttpRequest, write_ids: Iterable[int]) -> None:
        """Note in the history who cancelled them, if it can be: a sick store may be why somebody does."""
        try:
            for write_id in write_ids:
                self.model_admin.log_change(request, Receipt(write_id=write_id), "Cancelled while it waited.")
        except (WritePathError, DatabaseError) as exc:
            logger.warning("cancelled user=%s state=not-noted error=%s", request.user.pk, exc)
            messages.warning(request, "The history does not tell it: the store cannot be written now.")


def _page(after: int) -> dict[str, Any]:
    writes = waiting.waiting(after=after, count=PAGE_SIZE)
    names = users.names_of(write.principal for write in writes)
    status = queue_status()
    return {
        "rows": [(write, names.get(write.principal, write.principal) or "-") for write in writes],
        "total": status.length,
        "why_no_writer": "" if status.writer else why_no_writer(),
        "store_error": status.writer.error if status.writer else None,
        "next": writes[-1].write_id if len(writes) == PAGE_SIZE else None,
    }


def _number(text: str | None) -> int:
    """Return the id that a text is, 0 for none."""
    is_id = text is not None and text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if is_id and text else 0
