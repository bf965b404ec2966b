"""How each connection opens a PostgreSQL store: by its role, with the store lock, blocking no event loop."""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql, waiting

from workers.conf import settings
from workers.event_loop.fibers import in_fiber, wait_for
from workers.store import fence, replica
from workers.store.postgresql.cursor import fenced
from workers.store.postgresql.guard import ServerGuard
from workers.store.roles import Role, current_role
from workers.store.time_limit import WriteTimedOut

IDLE_SECONDS = 1.0
"""How often somebody who waits for the server can do something else."""

SILENCE_SECONDS = 1.0
"""After the end of its longest statement a replica that has not said so is given up."""

CANCEL_SECONDS = 5.0
"""How long the server may take to stop a statement; then the connection is given up."""


class StoreConnection(psycopg.Connection[Any]):
    """What a psycopg connection becomes once it is open: it can be waited for in three ways."""

    on_idle: Callable[[float], None] | None = None
    """Called each IDLE_SECONDS of a wait, with the seconds that it has lasted."""

    longest_wait: float | None = None
    """Seconds after which a server that is silent counts as gone; None: as the operating system says."""

    guard: object = None
    """That of the Django connection; the fence knows it."""

    def commit(self) -> None:
        fence.refuse_statement(self.guard, "commit")
        super().commit()

    def rollback(self) -> None:
        fence.refuse_statement(self.guard, "rollback")
        super().rollback()

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait until the server has done what the generator asks for."""
        if in_fiber():
            # The loop serves others meanwhile; the connection is this fiber's alone.
            return wait_for(self._wait_on_loop(waiting.wait_async(gen, self.pgconn.socket, **options)))
        try:
            if self.on_idle is not None or self.longest_wait is not None:
                return self._wait_and_tell(gen, self.on_idle or self._give_up)
            return super().wait(gen, *arguments, **options)
        except WriteTimedOut:
            # As psycopg does for Ctrl-C: the statement still runs, and would keep the connection busy.
            self._stop(gen)
            raise

    def _wait_on_loop(self, waits: Awaitable[Any]) -> Awaitable[Any]:
        return waits if self.longest_wait is None else self._wait_so_long(waits, self.longest_wait)

    async def _wait_so_long(self, waits: Awaitable[Any], seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await waits
        except TimeoutError:
            return self._give_up(seconds)

    def _give_up(self, waited: float) -> None:
        if self.longest_wait is not None and waited >= self.longest_wait:
            self.close()
            raise psycopg.OperationalError(f"The server was silent for {waited:.0f} s.")

    def _wait_and_tell(self, gen: Any, on_idle: Callable[[float], None]) -> Any:
        started = time.monotonic()
        try:
            state = next(gen)
            while True:
                with selectors.DefaultSelector() as selector:
                    selector.register(self.pgconn.socket, state)
                    ready = selector.select(timeout=IDLE_SECONDS)
                if ready:
                    state = gen.send(ready[0][1])
                else:
                    on_idle(time.monotonic() - started)
        except StopIteration as done:
            return done.value

    def _stop(self, gen: Any) -> None:
        try:
            self.cancel_safe(timeout=CANCEL_SECONDS)
            waiting.wait(gen, self.pgconn.socket, timeout=CANCEL_SECONDS)
        except psycopg.errors.QueryCanceled:
            return  # as expected
        except BaseException:  # it is not known what the server does: nothing may be asked of it any more
            self.close()
            raise


def configure(connection: BaseDatabaseWrapper) -> None:
    """Prepare a new connection, for what this process is. Raises LeaseLost and django.db.Error."""
    raw = connection.connection
    if type(raw) is psycopg.Connection:
        raw.__class__ = StoreConnection
    if replica.is_of(connection):
        _apply(connection, _reading_settings() | READ_ONLY)
        if limit := settings.WRITE_READ_TIME_LIMIT_SECONDS:
            raw.longest_wait = limit + SILENCE_SECONDS
        return
    guard = server_guard_of(connection)
    guard.opened()
    raw.guard = guard
    raw.cursor_factory = fenced(raw.cursor_factory)
    raw.server_cursor_factory = fenced(raw.server_cursor_factory)
    if guard.reopened is not None:
        guard.reopened(connection)
    apply_role(connection)


def server_guard_of(connection: BaseDatabaseWrapper) -> ServerGuard:
    """Return the guard of a connection to PostgreSQL, made at its first opening."""
    guard: ServerGuard | None = vars(connection).get("server_guard")
    if guard is None:
        guard = vars(connection)["server_guard"] = ServerGuard()
        connection.execute_wrappers.append(guard)
    return guard


def apply_role(connection: BaseDatabaseWrapper) -> None:
    """Set when the server gives a silent client up, and what differs by the role of this process."""
    _apply(connection, _settings_of(current_role()))


def _apply(connection: BaseDatabaseWrapper, wanted: dict[str, str]) -> None:
    text = sql.SQL("; ").join(
        sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in wanted.items()
    )
    with connection.wrap_database_errors:
        connection.connection.execute(text)


def _settings_of(role: Role) -> dict[str, str]:
    """Return parameters of the server: https://www.postgresql.org/docs/current/runtime-config-client.html."""
    if role is Role.WEB:
        return _reading_settings() | (READ_ONLY if settings.WRITE_OUTSIDE_WRITER == "refuse" else {})
    if role is Role.WRITER:
        return CUT_OFF | {
            # Who locks tables keeps the batch, not the write, waiting: tried again, as a locked file is.
            "lock_timeout": "2000",
            "default_transaction_read_only": "off",
            "synchronous_commit": "on" if settings.WRITE_SYNCHRONOUS == "FULL" else "off",
        }
    return CUT_OFF


def _reading_settings() -> dict[str, str]:
    return CUT_OFF | {"statement_timeout": f"{settings.WRITE_READ_TIME_LIMIT_SECONDS * 1000:.0f}"}


READ_ONLY = {"default_transaction_read_only": "on"}

CUT_OFF = {
    # A host that is cut off holds the lease, or the store lock, until the server notices: after these
    # seconds, by the server's own default after two hours.
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4000",
    # And a process that dies within a long statement.
    "client_connection_check_interval": "500",
}
