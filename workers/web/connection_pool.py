"""Database connections of fibers: each request has its own while it runs, and leaves it to the next one.

Django keeps them by thread; all fibers of a loop share a thread, and one that waits may be in the middle of a
transaction.
"""

from collections import defaultdict

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.event_loop.fibers import in_fiber
from workers.store import read_limit

_free: dict[str, list[BaseDatabaseWrapper]] = defaultdict(list)
_make = connections.create_connection


def install() -> None:
    """Let fibers take connections from here."""
    connections.create_connection = _take  # type: ignore[method-assign]  # the one place where Django makes them


def _take(alias: str) -> BaseDatabaseWrapper:
    if not in_fiber():
        return _make(alias)
    free = _free[alias]
    connection = free.pop() if free else _make(alias)
    read_limit.begin_request(connection)
    return connection


def give_back() -> None:
    """Leave this fiber's connections to others. The fiber may use none of them afterwards."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            # Something ended the request in the middle of a transaction.
            connection.in_atomic_block = False
            connection.close()
        read_limit.end_request(connection)
        _free[connection.alias].append(connection)
