"""Database connections of requests: each has its own while it runs, and leaves it to the next one.

Django keeps them by thread; all fibers of a loop share a thread, and one that waits may be in the middle of a
transaction. Connections to a server are dear: requests in threads share theirs as well, and there are no more
than WEB_DATABASE_CONNECTIONS of each database.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from greenlet import getcurrent

from workers.event_loop import bells
from workers.event_loop.fibers import Fiber, in_fiber
from workers.service_settings import place
from workers.store import read_limit
from workers.web.shared_connections import SharedConnections

KEPT = 64
"""Connections to each SQLite file that wait for a request. Each has two files open, and a cache."""

THREADS_SHARE = 4
"""A fourth of the connections is for threads, whose requests may wait for the store lock."""

_free: dict[str, list[BaseDatabaseWrapper]] = defaultdict(list)
_shared: dict[tuple[str, bool], SharedConnections | None] = {}
"""By alias, and whether they are for fibers; None for an SQLite file."""
_make = connections.create_connection
_most = {True: 0, False: 0}
"""Connections to each server, for fibers and for threads."""


class _Thread(threading.local):
    serves = False
    """Whether the thread has a request in hand."""


_thread = _Thread()


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


def install(*, has_fibers: bool) -> None:
    """Let requests take connections from here."""
    most = place.WEB_DATABASE_CONNECTIONS
    for_threads = max(1, most // THREADS_SHARE) if has_fibers else most
    _most.update({True: most - for_threads, False: for_threads})
    # asgiref's local would do, by context variables, at 6 % of a write's time.
    handler: Any = connections
    if not isinstance(handler._connections, _OfFiber):
        handler._connections = _OfFiber(handler._connections)
    handler.create_connection = _take  # the one place where Django makes them
    if _leave_to_others not in bells.before_sleep:
        bells.before_sleep.append(_leave_to_others)


def _take(alias: str) -> BaseDatabaseWrapper:
    is_fiber = in_fiber()
    if not is_fiber and not _thread.serves:
        return _make(alias)
    shared = _shared_of(alias, is_fiber)
    if shared is not None:
        return shared.take()
    if not is_fiber:
        return _make(alias)
    free = _free[alias]
    connection = free.pop() if free else _make(alias)
    read_limit.begin_request(connection)
    return connection


def _shared_of(alias: str, is_fiber: bool) -> SharedConnections | None:
    key = alias, is_fiber
    if key not in _shared:
        is_file = _make(alias).vendor == "sqlite"
        made = None if is_file else SharedConnections(lambda: _make(alias), _most[is_fiber])
        _shared.setdefault(key, made)
    return _shared[key]


def _own() -> dict[str, BaseDatabaseWrapper]:
    """Return the connections of this caller to servers."""
    is_request = in_fiber() or _thread.serves
    found = connections.all(initialized_only=True) if is_request else []
    return {one.alias: one for one in found if _shared.get((one.alias, in_fiber()))}


def _leave(alias: str, connection: BaseDatabaseWrapper) -> None:
    shared = _shared[alias, in_fiber()]
    assert shared is not None  # noqa: S101 - narrows the type: see `_own`
    del connections[alias]
    shared.leave(connection)


def _leave_to_others() -> None:
    """Leave connections to a server to others while this caller sleeps, unless it is in a transaction."""
    for alias, connection in _own().items():
        is_open = connection.connection is not None
        if not is_open or not (connection.in_atomic_block or not connection.get_autocommit()):
            _leave(alias, connection)


def give_back() -> None:
    """Leave this fiber's connections to others. The fiber has none afterwards. To be called in a fiber."""
    for alias, connection in _own().items():
        _leave(alias, connection)
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


@contextmanager
def in_thread() -> Iterator[None]:
    """Serve a request in this thread: afterwards its connections to servers are left to others."""
    _thread.serves = True
    try:
        yield
    finally:
        for alias, connection in _own().items():
            _leave(alias, connection)
        _thread.serves = False
