"""What a GET reads from: the store or a replica of it, and not before the write that it names is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from workers.conf import settings
from workers.exceptions import QueueUnavailable
from workers.rest import headers
from workers.rest.errors import ProblemError, ProblemsMixin, problem_of
from workers.rest.lists.pagination import StableListMixin
from workers.store import replica
from workers.submission.client import submitter
from workers.submission.read_after import Progress


class ReadAfterMixin(StableListMixin, ProblemsMixin):
    """GET that waits for a write first, `Read-After: <write id>`, and shows the rows of a replica if there is
    one.
    """

    reads_from = DEFAULT_DB_ALIAS

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Who asks and whether they may is read from the store itself: what was revoked there is revoked.
        super().initial(request, *args, **kwargs)
        if request.method in {"GET", "HEAD"}:
            self.reads_from = replica.alias_for_reading()
            self._wait_for_write()

    def filter_queryset(self, queryset: Any) -> Any:
        found = super().filter_queryset(queryset)
        if self.reads_from == DEFAULT_DB_ALIAS or not isinstance(found, QuerySet):
            return found
        # A view that names its database goes on with that.
        return found if found._db else found.using(self.reads_from)  # type: ignore[attr-defined]  # see `using`

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        with _judged_by_store(obj):
            super().check_object_permissions(request, obj)

    def handle_exception(self, exc: Exception) -> Response:
        if self.reads_from != DEFAULT_DB_ALIAS and replica.may_read_elsewhere(exc):
            self.reads_from = DEFAULT_DB_ALIAS
            try:
                return self._read_once_more()
            except Exception as second:
                exc = second
        return super().handle_exception(exc)

    def _read_once_more(self) -> Response:
        """Read from the store what the replica could not give. A GET changes nothing."""
        self._wait_for_write()
        serve = getattr(self, str(self.request.method).lower())
        response: Response = serve(self.request, *self.args, **self.kwargs)
        return response

    def _wait_for_write(self) -> None:
        """Wait for the write that the request names. Raises ProblemError when it is not there in time."""
        write_id = headers.read_after(self.request)
        if write_id is None:
            return
        try:
            progress = submitter().wait_until_committed(
                write_id, settings.WRITE_WAIT_SECONDS, reads_from=self.reads_from
            )
        except redis.RedisError as exc:
            raise problem_of(QueueUnavailable(f"Redis does not say whether write {write_id} waits.")) from exc
        match progress:
            case Progress.UNKNOWN:
                raise headers.invalid("Read-After", f"no write with the id {write_id} was accepted.")
            case Progress.WAITING:
                detail = f"Write {write_id} is accepted and not committed yet: read again in a second."
                raise ProblemError(503, "not_committed_yet", detail, headers={"Retry-After": "1"})
            case Progress.BEHIND:
                detail = f"Write {write_id} is committed and cannot be read here yet: read again in a second."
                raise ProblemError(503, "not_replicated_yet", detail, headers={"Retry-After": "1"})


@contextmanager
def _judged_by_store(obj: Any) -> Iterator[None]:
    """Have what a permission looks up about an object of the replica come from the store itself."""
    if not isinstance(obj, Model) or obj._state.db != replica.ALIAS:
        yield
        return
    obj._state.db = DEFAULT_DB_ALIAS
    try:
        yield
    finally:
        obj._state.db = replica.ALIAS
