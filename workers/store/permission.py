"""Whether the code that runs now may write the store by itself, or has to hand its writes to the writer."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from workers.conf import settings
from workers.store.roles import Role, current_role

_is_allowed: ContextVar[bool] = ContextVar("may_write_directly", default=False)


def is_refused() -> bool:
    """Return whether a write raises WriteOutsideWriter."""
    return current_role() is Role.WEB and settings.WRITE_OUTSIDE_WRITER == "refuse" and not _is_allowed.get()


@contextmanager
def allowed() -> Iterator[None]:
    """Let the block write, with the store lock."""
    token = _is_allowed.set(True)
    try:
        yield
    finally:
        _is_allowed.reset(token)
