"""Database connections of fibers: each request has its own while it runs, and leaves it to the next one.

Django keeps them by thread; all fibers of a loop share a thread, and one that waits may be in the middle of a
transaction.
"""

from collections import defaultdict
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from greenlet import getcurrent

from workers.event_loop import bells
from workers.event_loop.fibers import Fiber, in_fiber
from workers.store import opening, read_limit

KEPT = 64
"""Connections of each database that wait for a request. Each has two files open, and a cache."""

_free: dict[str, list[BaseDatabaseWrapper]] = defaultdict(list)
_make = connections.create_connection


class _OfFiber:
    """Stands for the thread-local in which Django keeps connections: a fiber keeps its own."""

    def __init__(self, of_thread: Any) -> None:
        vars(self)["of_thread"] = of_thread

    def __getattr__(self, alias: str) -> Any:
        current = getcurrent()
        if type(current) is not Fiber:
            return getattr(vars(self)["of_thread"], alias)
        try:
            return current.connections[alias]
        except KeyError:
            raise AttributeError(alias) from None

    def __setattr__(self, alias: str, connection: Any) -> None:
        current = getcurrent()
        if type(current) is Fiber:
            current.connections[alias] = connection
        else:
            setattr(vars(self)["of_thread"], alias, connection)

    def __delattr__(self, alias: str) -> None:
        current = getcurrent()
        if type(current) is Fiber:
            del current.connections[alias]
        else:
            delattr(vars(self)["of_thread"], alias)


def install() -> None:
    """Let fibers take connections from here."""
    # asgiref's local would do, by context variables, at 6 % of a write's time.
    handler: Any = connections
    if not isinstance(handler._connections, _OfFiber):
        handler._connections = _OfFiber(handler._connections)
    handler.create_connection = _take  # the one place where Django makes them
    if _leave_to_others not in bells.before_sleep:
        bells.before_sleep.append(_leave_to_others)


def _take(alias: str) -> BaseDatabaseWrapper:
    if not in_fiber():
        return _make(alias)
    free = _free[alias]
    connection = free.pop() if free else _make(alias)
    while free and not opening.is_alive(connection):
        connection.close()
        connection = free.pop()
    read_limit.begin_request(connection)
    return connection


def _leave_to_others() -> None:
    """Leave connections to a server to others while this fiber sleeps: they are dearer than files."""
    own: dict[str, BaseDatabaseWrapper] = getcurrent().connections
    for alias, connection in list(own.items()):
        if connection.vendor != "sqlite" and not connection.in_atomic_block and connection.get_autocommit():
            _free[alias].append(own.pop(alias))


def give_back() -> None:
    """Leave this fiber's connections to others. The fiber has none afterwards. To be called in a fiber."""
    own: dict[str, BaseDatabaseWrapper] = getcurrent().connections
    for alias, connection in own.items():
        if connection.in_atomic_block or len(_free[alias]) >= KEPT:
            # Of one whose request was ended in the middle of a transaction nobody can go on.
            connection.in_atomic_block = False
            connection.close()
            continue
        read_limit.end_request(connection)
        _free[alias].append(connection)
    own.clear()
