"""The two sessions in the admin: a button runs them on files of their own, and shows who waited for what."""

from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views import View

from project.demo.picture import Picture, draw
from project.demo.timelines import Timeline
from project.demo.two_sessions import WITH_THE_USUAL_TIMEOUT, Timing, plain_transactions, through_one_thread

PERMISSION = "workers.view_receipt"
"""Whoever may look at the write path may see why it is there."""

RUNNING = "demo:two-sessions"
MOST_SECONDS = 30
"""When a run that came to no end is forgotten. One takes about four seconds."""

# Shorter than the 0.6 s for which A finds the lock taken, and what Django waits when nothing is said.
SHORT_TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS = 0.3, 5.0


class TwoSessionsView(View):
    """GET shows the button, POST runs both sessions in each way, and shows what happened."""

    timing = Timing()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return _page(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        if not cache.add(RUNNING, request.user.pk, MOST_SECONDS):
            return _page(request, status=409, busy=True)
        try:
            pictures = compare(self.timing)
        finally:
            cache.delete(RUNNING)
        return _page(request, pictures=pictures)


def compare(timing: Timing) -> list[Picture]:
    """Run the two sessions in each way, one after the other. Takes about four seconds."""
    direct, reading, queued = Timeline(), Timeline(), Timeline()
    of_direct = plain_transactions(
        timeout_seconds=SHORT_TIMEOUT_SECONDS * timing.b_works, timing=timing, note=direct.note
    )
    of_reading = plain_transactions(
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS, a_reads_first=True, timing=timing, note=reading.note
    )
    of_queued = through_one_thread(timing=timing, note=queued.note)
    # One scale for all of them.
    last = max(span.ends for timeline in (direct, reading, queued) for span in timeline.spans())
    seconds = max(1.2 * timing.b_works, 1.02 * last)
    return [
        draw("direct", DIRECT, DIRECT_ABOUT, direct.spans(), of_direct, seconds=seconds),
        draw("reading", READING, READING_ABOUT, reading.spans(), of_reading, seconds=seconds),
        draw("queued", QUEUED, QUEUED_ABOUT, queued.spans(), of_queued, seconds=seconds),
    ]


DIRECT = "Directly, with a time-out of 0.3 s"
DIRECT_ABOUT = (
    "B writes first and keeps the write lock while it works. A cannot write until B commits, and gives up. "
    f"{WITH_THE_USUAL_TIMEOUT}"
)
READING = "Directly, with a time-out of 5 s, and A has read something first"
READING_ABOUT = (
    "SQLite refuses A at once, whatever the time-out: B cannot commit before A lets go of what it has read, "
    "so waiting could not help."
)
QUEUED = "Through one writer"
QUEUED_ABOUT = (
    "Both hand their write over and hold nothing while they work. The writer holds the lock twice, for an "
    "instant, and nobody meets it."
)


def _page(request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name  # Django's templates look for it
    given = {**admin.site.each_context(request), "title": "Two sessions", **context}
    return TemplateResponse(request, "demo/two_sessions.html", given, status=status)
