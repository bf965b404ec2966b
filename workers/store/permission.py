"""Whether the code that runs now may write the store by itself, or has to hand its writes to the writer."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from workers.conf import settings
from workers.store.lock import purpose
from workers.store.roles import Role, current_role

ALLOWED = "writes_store_directly"
"""Attribute of the views that may write by themselves."""

_is_allowed: ContextVar[bool] = ContextVar("may_write_directly", default=False)


def is_refused() -> bool:
    """Return whether a write raises WriteOutsideWriter."""
    if current_role() is not Role.WEB or settings.WRITE_OUTSIDE_WRITER != "refuse" or _is_allowed.get():
        return False
    # Of the whole request: ATOMIC_REQUESTS begins before the view, and a session is saved after it.
    match = getattr(purpose.request_in_hand.get(), "resolver_match", None)
    return not getattr(getattr(match, "func", None), ALLOWED, False)


@contextmanager
def allowed() -> Iterator[None]:
    """Let the block write, with the store lock."""
    token = _is_allowed.set(True)
    try:
        yield
    finally:
        _is_allowed.reset(token)
