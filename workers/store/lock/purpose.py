"""What this process, thread or fiber is doing, for people who ask who holds the store lock."""

import os
import sys
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest

from workers.exceptions import StoreBusy
from workers.store.holder import WRITER
from workers.store.roles import Role, current_role

request_in_hand: ContextVar[HttpRequest | None] = ContextVar("request_in_hand", default=None)
"""The request that is being handled, see workers/middleware.py."""


_BUSY = "_store_busy"


def note_busy(exc: StoreBusy) -> None:
    """Remember that the request which is being handled met it, for the middleware."""
    request = request_in_hand.get()
    if request is not None:
        vars(request)[_BUSY] = exc


def met_busy(request: HttpRequest) -> StoreBusy | None:
    """Return what kept a request from writing, or None."""
    return vars(request).get(_BUSY)


def current() -> str:
    """Return a view's request, a task, a command or a program, by name."""
    if current_role() is Role.WRITER:
        return WRITER
    request = request_in_hand.get()
    if request is not None:
        # Without the query, which may hold what is private.
        return f"{request.method} {request.path}"
    return _task() or _program()


def _task() -> str | None:
    celery: Any = sys.modules.get("celery")  # where it was not imported nothing runs in it
    task = celery.current_task if celery is not None else None
    return f"task {task.name}" if task else None


def _program() -> str:
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else f"process {os.getpid()}"
    if len(sys.argv) > 1 and name in {"manage.py", "django-admin", "__main__.py"}:
        return f"manage.py {sys.argv[1]}"
    return name
