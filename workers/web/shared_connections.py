"""Connections to a database server that the requests of one process share: so many at most."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.event_loop.bells import Bell, new_bell
from workers.event_loop.fibers import in_fiber
from workers.event_loop.lanes import Busy, Lane
from workers.store import opening

WAIT_SECONDS = 5.0
"""Longest wait for a connection that others use; then the request fails, and its client may try again."""

CONNECTING_AT_ONCE = 16
CONNECT_WAIT_SECONDS = 2.0
"""Longest wait of a request until it begins to connect."""

# Of its own: a silent server must hold up no other calls.
_connecting = Lane(threads=CONNECTING_AT_ONCE, niceness=0)


@dataclass(eq=False)
class _Waiter:
    bell: Bell = field(default_factory=new_bell)
    connection: BaseDatabaseWrapper | None = None


class SharedConnections:
    """Of one database. Who takes one leaves it to the others, in their order. May be used from any thread."""

    def __init__(self, make: Callable[[], BaseDatabaseWrapper], most: int) -> None:
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._made = 0
        self._free: list[BaseDatabaseWrapper] = []
        self._waiters: deque[_Waiter] = deque()

    def take(self) -> BaseDatabaseWrapper:
        """Return a connection that nobody else has, open or not.

        Raises OperationalError when none is left within WAIT_SECONDS.
        """
        with self._lock:
            if self._free:
                return _usable(self._free.pop())
            if self._made < self._most:
                self._made += 1
                return _shareable(self._make())
            waiter = _Waiter()
            self._waiters.append(waiter)
        return _usable(self._wait(waiter))

    def _wait(self, waiter: _Waiter) -> BaseDatabaseWrapper:
        deadline = time.monotonic() + WAIT_SECONDS
        try:
            while waiter.connection is None and (remaining := deadline - time.monotonic()) > 0:
                waiter.bell.sleep(remaining)
        except BaseException:  # the client went away, and with it the request
            if (connection := self._given_up(waiter)) is not None:
                self.leave(connection)
            raise
        if (connection := self._given_up(waiter)) is None:
            raise OperationalError(
                f"All {self._most} connections to the database that requests may have are in use "
                f"for more than {WAIT_SECONDS:g} s (WEB_DATABASE_CONNECTIONS)."
            )
        return connection

    def _given_up(self, waiter: _Waiter) -> BaseDatabaseWrapper | None:
        """Wait no longer; return what came in the last moment, or before."""
        with self._lock:
            if waiter.connection is None:
                self._waiters.remove(waiter)
            return waiter.connection

    def leave(self, connection: BaseDatabaseWrapper) -> None:
        """Leave a connection to whoever has waited longest, or to the next one."""
        if connection.in_atomic_block or connection.connection is None or not connection.get_autocommit():
            # Nobody can go on with a transaction in whose middle a request was ended. It is opened anew.
            connection.in_atomic_block = False
            connection.close()
        with self._lock:
            if not self._waiters:
                self._free.append(connection)
                return
            waiter = self._waiters.popleft()
            waiter.connection = connection
        waiter.bell.ring()


def _usable(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    if not opening.is_alive(connection):
        connection.close()  # and opened anew by its next statement
    return connection


def _shareable(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """Let a connection be used by one thread after another, and be opened without stopping an event loop."""
    connection.inc_thread_sharing()
    connect = connection.connect

    def connect_beside_loop() -> None:
        if not in_fiber():
            connect()
            return
        try:
            _connecting.run(connect, within_seconds=CONNECT_WAIT_SECONDS)
        except Busy:
            raise OperationalError("Too many connections to the database are being opened.") from None

    vars(connection)["connect"] = connect_beside_loop
    return connection
