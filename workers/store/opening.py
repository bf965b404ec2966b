"""How each connection opens the store: pragmas, transaction mode, and the store lock before it writes.

For every new connection to an SQLite file, of every database in the settings.
"""

import os
import select
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLiteWrapper

from workers.exceptions import StoreBusy
from workers.store import fence, pragmas, private_files, read_limit, server, store_file, time_limit
from workers.store.holder import Holder
from workers.store.lock.cursor import GuardedCursor
from workers.store.lock.guard import Guard
from workers.store.lock.store_lock import StoreLock, lock_of
from workers.store.lock.waiting import OnWait
from workers.store.roles import Role, current_role

READ_ONLY_URI = {"mode": "ro", "immutable": "1"}
"""What a name as a URI says when nobody can write through it: https://www.sqlite.org/uri.html."""


class GuardedConnection(BaseDatabaseWrapper):
    """What a Django connection to an SQLite file becomes once it is open."""

    guard: Guard

    def create_cursor(self, name: Any = None) -> Any:
        # None for a statement of Django's own while it opens the connection anew.
        return self.connection.cursor(factory=self._cursor_factory())

    def _cursor_factory(self) -> Any:
        if current_role() is Role.WEB:
            return partial(read_limit.TimedCursor, read_limit.reading_of(self), self.guard)
        return partial(GuardedCursor, self.guard)

    def _commit(self) -> Any:
        return self.guard.end(super()._commit)  # type: ignore[misc]  # private to Django

    def _set_autocommit(self, autocommit: bool) -> Any:
        call = partial(super()._set_autocommit, autocommit)  # type: ignore[misc]  # the same
        guard = guard_of(self)  # a copy of a connection has none until it is open
        return call() if guard is None else guard.switch(call)

    def _rollback(self) -> Any:
        return self.guard.undo(super()._rollback)  # type: ignore[misc]  # the same

    def _close(self) -> Any:
        if self.guard.is_left_to_parent():
            return None
        return self.guard.undo(super()._close)  # type: ignore[misc]  # the same

    def close_if_unusable_or_obsolete(self) -> None:
        guard = guard_of(self)
        if guard is not None and guard.is_spoilt and not self.in_atomic_block:
            self.close()  # a typed BEGIN that was never ended must not spoil the next request
        super().close_if_unusable_or_obsolete()


def look_for_json_without_the_store() -> None:
    """Say once whether SQLite knows JSON, in the place of Django's look in a transaction of the store.

    That one takes the store lock: a check, or a read with JSONObject(), would wait for whoever writes, and
    hear in the end that there is no JSON.
    """
    with closing(sqlite3.connect(":memory:")) as raw:
        try:
            raw.execute("SELECT JSON('{}')")
        except sqlite3.OperationalError:
            knows = False
        else:
            knows = True
    SQLiteWrapper.features_class.supports_json_field = knows  # type: ignore[assignment]  # else a cached property


@cache
def _guarded(kind: type[BaseDatabaseWrapper]) -> type[BaseDatabaseWrapper]:
    return type(f"Guarded{kind.__name__}", (GuardedConnection, kind), {})


def configure(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Prepare a new connection. Raises WrongStore, LeaseLost and django.db.Error."""
    path = file_of(connection)
    try:
        if connection.vendor == "postgresql":
            _prepare_postgresql(connection)
        elif path is not None:
            _prepare(connection, path)
    except BaseException:
        connection.close()  # Django would use it, as it is, the next time
        raise


def _prepare_postgresql(connection: BaseDatabaseWrapper) -> None:
    server.module("connection").configure(connection)


def _prepare(connection: Any, path: Path) -> None:
    role, raw = current_role(), connection.connection
    guard = guard_of(connection)
    if guard is None or guard.lock.store != path:  # test runners give a connection another name
        guard = Guard(lock_of(path))
    if not isinstance(connection, GuardedConnection):
        # Of whatever class it is: some projects have a backend of their own.
        connection.__class__ = _guarded(type(connection))  # type: ignore[arg-type]  # any class can be a key
    connection.guard = guard
    with connection.wrap_database_errors:
        # Before SQLite reads a log that is not this file's, or copies it into the file.
        if path.exists() or store_file.log_path(path).exists():
            store_file.refuse_log_of_another(path, _mark_of(guard.lock))
        private_files.make_private_if_new(path)
        pragmas.apply(raw, pragmas.of_role(role))
        # IMMEDIATE takes SQLite's lock at BEGIN; taken later, it finds what was read before out of date.
        connection.transaction_mode = "IMMEDIATE"
        read_limit.prepare(connection, is_limited=role is Role.WEB)
        guard.opened(raw)


def _mark_of(lock: StoreLock) -> store_file.Mark:
    try:
        return lock.mark()
    except OSError:
        return store_file.Mark()  # whoever may only read the store may not have the lock's file either


def file_of(connection: BaseDatabaseWrapper) -> Path | None:
    """Return the real path of the file that a connection may write; None when there is no such file."""
    if connection.vendor != "sqlite":
        return None
    name = os.fspath(connection.settings_dict["NAME"] or "")
    if name.startswith("file:"):
        parts = urlsplit(name)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if query.get("mode") == "memory" or READ_ONLY_URI.items() & query.items():
            return None
        name = unquote(parts.path)
    if not name or name == ":memory:":
        return None
    return Path(os.path.realpath(name))


def guard_of(connection: BaseDatabaseWrapper) -> Guard | None:
    """Return what guards an open connection; None when it is not one to an SQLite file."""
    # Not of vars(): `django.db.connection` is a proxy.
    guard: Guard | None = getattr(connection, "guard", None)
    return guard


def own_guard() -> Guard | None:
    """Return the guard of this thread's connection to the default database, opened if need be."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    return guard_of(connection)


def store_lock() -> StoreLock | None:
    """Return the lock of the default database; None when that is not an SQLite file."""
    path = file_of(connections[DEFAULT_DB_ALIAS])
    return None if path is None else lock_of(path)


def is_alive(connection: BaseDatabaseWrapper) -> bool:
    """Return whether an idle connection can be used, as far as that can be told without a trip to its server.

    What an idle one has to read is that it was ended.
    """
    raw = connection.connection
    if raw is None or connection.vendor != "postgresql":
        return True
    if raw.closed:
        return False
    waits = select.poll()  # unlike select(), for any number of files
    waits.register(raw.fileno(), select.POLLIN)
    return not waits.poll(0)


@contextmanager
def kept(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold the store lock in the block, over several transactions of this connection.

    Raises StoreBusy, and django.db.Error where the store cannot be written.
    """
    connection.ensure_connection()
    guard, of_server = guard_of(connection), server_guard_of(connection)
    with ExitStack() as held:
        with connection.wrap_database_errors:  # what is taken looks at the file by SQLite's own connection
            if guard is not None:
                held.enter_context(guard.kept())
            if of_server is not None:
                held.enter_context(of_server.kept(connection))
        yield


def server_guard_of(connection: BaseDatabaseWrapper) -> Any:
    """Return the guard of an open connection to PostgreSQL; None for one to another database."""
    return getattr(connection, "server_guard", None)


def tell_of_waits(on_wait: OnWait | None) -> None:
    """Have this called each second that this thread's default connection waits for the store lock."""
    connection = connections[DEFAULT_DB_ALIAS]
    if on_wait is not None:
        connection.ensure_connection()
    for waits in (guard_of(connection), server_guard_of(connection)):
        if waits is not None:
            waits.on_wait = on_wait


def prepare_to_apply(connection: BaseDatabaseWrapper) -> None:
    """Let write functions on this connection be fenced in and cut off."""
    raw = connection.connection
    if connection.vendor != "sqlite" or vars(connection).get("fenced") is raw:
        return
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - narrows the type
    raw.set_progress_handler(time_limit.is_over, time_limit.PROGRESS_INSTRUCTIONS)
    raw.set_authorizer(fence.authorize)
    vars(connection)["fenced"] = raw


def lock_in_the_way() -> Holder | None:
    """Return who keeps the store lock for too long; None when nobody does, or that may not be looked at."""
    with suppress(OSError, Error):
        holder = lock_holder()
        return holder if holder is not None and holder.is_in_the_way else None
    return None


def lock_holder() -> Holder | None:
    """Return who holds the store lock of the default database; None when nobody does.

    Raises OSError when the lock's file may not be looked at, and django.db.Error when a server is silent.
    """
    if (lock := store_lock()) is not None:
        return lock.holder()
    if connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
        return None
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        holder: Holder | None = server.module("who").holder(cursor)
        return holder


def probe() -> str | None:
    """Return why the store cannot be written now, or None. Takes the store lock for an instant, if free."""
    try:
        guard = own_guard()
        if guard is None:
            return _probe_server()
        with connections[DEFAULT_DB_ALIAS].wrap_database_errors, guard.kept(seconds=0), transaction.atomic():
            return None
    except StoreBusy as exc:
        if exc.__cause__ is not None:
            return str(exc)
        holder = lock_in_the_way()  # else another process writes: so the store can be written
        return None if holder is None else holder.keeps_the_lock
    except Error as exc:
        return str(exc)


def _probe_server() -> str | None:
    connection = connections[DEFAULT_DB_ALIAS]
    guard = server_guard_of(connection)
    waits = nullcontext() if guard is None else guard.waiting(0)
    with waits, transaction.atomic(), connection.cursor() as cursor:
        # A transaction begins with its first statement, and takes the store lock before it.
        cursor.execute("SELECT 1")
    return None
