"""Views as any project has them."""

from collections.abc import Iterator

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from tests.jottings.models import Topic
from tests.waiting import until
from workers.store import opening

SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
"""Never ends by itself."""


def create(request: HttpRequest, name: str) -> HttpResponse:
    Topic.objects.create(name=name)
    return HttpResponse("created")


def fail_after_write(request: HttpRequest, name: str) -> HttpResponse:
    Topic.objects.create(name=name)
    raise ValueError("the view failed")


async def create_async(request: HttpRequest, name: str) -> HttpResponse:
    await Topic.objects.acreate(name=name)
    return HttpResponse("created")


def stream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        for number in range(3):
            yield Topic.objects.create(name=f"{name}-{number}").name

    return StreamingHttpResponse(rows())


def log_in(request: HttpRequest) -> HttpResponse:
    request.session["number"] = request.session.get("number", 0) + 1
    return HttpResponse(str(request.session["number"]))


def hold_asleep(request: HttpRequest, name: str) -> HttpResponse:
    """Hold the lock until the watchdog gives it to others, then go on."""
    with transaction.atomic():
        Topic.objects.create(name=f"{name}-outer")
        with transaction.atomic():
            Topic.objects.create(name=f"{name}-inner")
        guard = opening.guard_of(connection)
        assert guard is not None
        until(lambda: not guard.is_held, what="the transaction to be cut off")
        Topic.objects.create(name=f"{name}-late")
    return HttpResponse("unreachable")


def commit_late(request: HttpRequest, name: str) -> HttpResponse:
    """Do nothing more after the watchdog, but commit."""
    with transaction.atomic():
        Topic.objects.create(name=name)
        guard = opening.guard_of(connection)
        assert guard is not None
        until(lambda: not guard.is_held, what="the transaction to be cut off")
    return HttpResponse("unreachable")


def hold_in_sql(request: HttpRequest, name: str) -> HttpResponse:
    """Hold the lock in a statement, with rows of another one still to be fetched."""
    with transaction.atomic():
        Topic.objects.create(name=f"{name}-before")
        rows = Topic.objects.values_list("name").iterator(chunk_size=1)
        next(rows)
        with connection.cursor() as cursor:
            cursor.execute(SLOW)
    return HttpResponse("unreachable")


urlpatterns = [
    path("create/<name>", create),
    path("fail/<name>", fail_after_write),
    path("create-async/<name>", create_async),
    path("stream/<name>", stream),
    path("log-in", log_in),
    path("hold-asleep/<name>", hold_asleep),
    path("commit-late/<name>", commit_late),
    path("hold-in-sql/<name>", hold_in_sql),
]
