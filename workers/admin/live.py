"""The write path as it is and was in the last 15 minutes, in the admin: a page, and the figures for it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import redis
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.views import View

from workers.conf import settings
from workers.exceptions import QueueUnavailable
from workers.measures import HISTORY_SECONDS, SLOT_SECONDS, Slot, Spread, history, totals
from workers.operations import absence, readiness
from workers.operations.status import queue_status
from workers.store import replica
from workers.stream import pauses, standbys
from workers.stream.heartbeat import WriterState
from workers.stream.redis_client import shared_client

POLL_SECONDS = 2.5

Figure = Callable[[Slot], float | None]


class LiveView(View):
    """The page. Its script asks LiveDataView for what it shows."""

    model_admin: Any = None

    def get(self, request: HttpRequest) -> HttpResponse:
        site = self.model_admin.admin_site
        if not self.model_admin.has_view_permission(request):
            raise PermissionDenied
        context = {
            **site.each_context(request),
            "title": "Live view",
            "opts": self.model_admin.opts,
            "media": self.model_admin.media,
            "options": {
                "poll": POLL_SECONDS,
                "slot": SLOT_SECONDS,
                "history": HISTORY_SECONDS,
                "isFile": connection.vendor == "sqlite",
                "logLimit": settings.WRITE_CHECKPOINT_BYTES,
            },
        }
        request.current_app = site.name  # Django's templates look for it
        return TemplateResponse(request, "workers/admin/live.html", context)


class LiveDataView(View):
    """What the page shows, in JSON: the state, and with `?since=` the slots after that one.

    Not behind `admin_view`, whose redirect to the login a script cannot tell from a page.
    """

    model_admin: Any = None

    def get(self, request: HttpRequest) -> HttpResponse:
        response = self._respond(request)
        add_never_cache_headers(response)
        return response

    def _respond(self, request: HttpRequest) -> HttpResponse:
        may_know = False
        try:
            # Before anybody looks at the session: one in a Redis that is away would count as over, and the
            # browser would be told to forget its cookie.
            shared_client().ping()
            if not self.model_admin.admin_site.has_permission(request):
                return _refused(401, "not_authenticated", "Your session is over.")
            if not self.model_admin.has_view_permission(request):
                return _refused(403, "permission_denied", "You may not view receipts any more.")
            may_know = True
            return JsonResponse(_state() | {"slots": columns(history(since=_second(request)))})
        except redis.RedisError as exc:
            return _unavailable("redis", f"Redis does not respond: {exc}", may_know=may_know)
        except QueueUnavailable as exc:
            return _unavailable("redis", str(exc), may_know=may_know)
        except DatabaseError as exc:
            return _unavailable("store", f"The store cannot be read: {exc}", may_know=may_know)


def _unavailable(part: str, reason: str, *, may_know: bool) -> HttpResponse:
    code = {"redis": "queue_unavailable", "store": "store_unavailable"}[part]
    return _refused(503, code, reason if may_know else readiness.for_anyone({part: reason})[part])


def _refused(status: int, code: str, detail: str) -> HttpResponse:
    return JsonResponse({"status": status, "code": code, "detail": detail}, status=status)


def _second(request: HttpRequest) -> int:
    text = request.GET.get("since", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _state() -> dict[str, Any]:
    """Return what is so now. Raises QueueUnavailable and redis.RedisError."""
    status = queue_status()
    pause = pauses.requested(shared_client())
    lease = None
    with suppress(OSError):
        lease = absence.holder()
    done = totals()
    return {
        "obstacles": readiness.of_store() | readiness.of_queue(status),
        "warnings": readiness.health_warnings(replica.state()),
        "waiting": status.length,
        "oldest": status.oldest_age_seconds,
        "writer": status.writer and asdict(status.writer),
        "lease": lease and str(lease),
        "standbys": _standbys(status.writer),
        "pause": pause and asdict(pause),
        "log_written": _log_written(),
        "totals": {
            name: getattr(done, name) for name in ("since", "starts", "committed", "rejected", "failed")
        },
    }


def _standbys(writer: WriterState | None) -> list[str]:
    """Return who waits for the lease, but for who has just got it."""
    at_work = writer and f"{writer.host}:{writer.pid}"
    return [name for name in standbys.standing_by(shared_client()) if name != at_work]


def _log_written() -> int | None:
    """Return how many bytes PostgreSQL has written to its log; None for SQLite, and where that is hidden."""
    if connection.vendor != "postgresql":
        return None
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'")
        return int(cursor.fetchone()[0])
    return None


def _rate(count: Callable[[Slot], int]) -> Figure:
    # While nobody measured nothing is known.
    return lambda slot: count(slot) / SLOT_SECONDS if slot.at_work_seconds else None


def _time(spread: Callable[[Slot], Spread | None], share: str) -> Figure:
    return lambda slot: getattr(spread(slot), share, None)


FIGURES: Mapping[str, Figure] = {
    "begins": lambda slot: slot.begins_at,
    "committed": _rate(lambda slot: slot.committed),
    "rejected": _rate(lambda slot: slot.rejected),
    "failed": _rate(lambda slot: slot.failed),
    "commits": _rate(lambda slot: slot.transactions),
    "batch_mean": lambda slot: slot.writes / slot.batches if slot.batches else None,
    "batch_largest": lambda slot: slot.largest_batch,
    "waiting": lambda slot: slot.waiting,
    "oldest": lambda slot: slot.oldest_seconds,
    "wait_p50": _time(lambda slot: slot.wait, "p50"),
    "wait_p99": _time(lambda slot: slot.wait, "p99"),
    "apply_p50": _time(lambda slot: slot.apply, "p50"),
    "apply_p99": _time(lambda slot: slot.apply, "p99"),
    "commit_p50": _time(lambda slot: slot.commit, "p50"),
    "commit_p99": _time(lambda slot: slot.commit, "p99"),
    "redis_bytes": lambda slot: slot.redis_bytes,
    "log_bytes": lambda slot: slot.log_bytes,
}
"""Each figure of a slot that is drawn; None where there is none, which leaves a gap."""


def columns(slots: Sequence[Slot]) -> dict[str, list[float | None]]:
    """Return the slots' figures by name. Times in seconds, rates for each second."""
    return {name: [_rounded(figure(slot)) for slot in slots] for name, figure in FIGURES.items()}


def _rounded(figure: float | None) -> float | None:
    return round(figure, 6) if isinstance(figure, float) else figure
