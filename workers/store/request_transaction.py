"""The transaction of ATOMIC_REQUESTS around a view must not keep out the writer that the view waits for.

See https://docs.djangoproject.com/en/5.2/topics/db/transactions/#tying-transactions-to-http-requests.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.store import opening
from workers.store.lock import holding, purpose


@contextmanager
def left_for_writer() -> Iterator[bool]:
    """Wait for the writer in the block; gives whether it can commit meanwhile.

    A request's own transaction is ended for that, if it has changed nothing, and begun anew by the next
    statement after the block; in the block this thread may only read. Any other transaction is as its
    program made it: where it keeps the writer out, to wait would be in vain.
    """
    if not _may_be_in_the_way():
        yield True
        return
    # Not `connections[...]`, which would make one for a request that has no use for it.
    known = connections.all(initialized_only=True)
    connection = next((one for one in known if one.alias == DEFAULT_DB_ALIAS), None)
    guard = None if connection is None or connection.connection is None else _guard_of(connection)
    if connection is None or guard is None or guard.is_left:
        yield True
        return
    if not _is_of_request(connection):
        yield not guard.keeps_writer_out(connection)
        return
    is_left = False
    # What was handed over is on its way; the next statement of this connection raises what is wrong with it.
    with suppress(Error), connection.wrap_database_errors:
        is_left = guard.leave_for_writer(connection)
    try:
        yield is_left or not guard.keeps_writer_out(connection)
    finally:
        if is_left:
            guard.come_back(connection)


def _may_be_in_the_way() -> bool:
    """Return whether this thread may have one: to ask Django for its connection takes longer."""
    store = connections.settings[DEFAULT_DB_ALIAS]
    return store["ATOMIC_REQUESTS"] or "sqlite" not in store["ENGINE"] or bool(len(holding.of_thread()))


def _guard_of(connection: BaseDatabaseWrapper) -> Any:
    return opening.guard_of(connection) or opening.server_guard_of(connection)


def _is_of_request(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the transaction is that of the whole view, in no block of the view's own."""
    request = purpose.request_in_hand.get()
    if request is None or not connection.settings_dict["ATOMIC_REQUESTS"]:
        return False
    match = request.resolver_match
    if match is None or connection.alias in getattr(match.func, "_non_atomic_requests", ()):
        return False  # of a middleware, which runs before it is known which view will; or of an exempt view
    return len(connection.atomic_blocks) == 1
