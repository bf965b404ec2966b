"""The lease on PostgreSQL: an advisory lock of the writer's own connection, and an epoch.

Who loses the connection loses the lease, because the server gives it back. A writer that was cut off cannot
commit after its successor began: each taking of the lease begins an epoch, and each transaction of the writer
reads it, with the store lock held (`check`).
"""

import logging
import os
import socket
from typing import Any

from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.exceptions import LeaseLost, StoreNotReady
from workers.store.holder import Holder
from workers.store.postgresql import connection as opening
from workers.store.postgresql import who

logger = logging.getLogger(__name__)

TABLE = "workers_lease"

_READ = f"SELECT epoch FROM {TABLE}"  # noqa: S608 - a constant
_BEGIN = (
    f"UPDATE {TABLE} SET epoch = greatest(epoch, %s) + 1, purpose = %s, pid = %s, host = %s, since = now()"  # noqa: S608 - a constant
)


class AdvisoryLease:
    """Held by this process's default connection while that lives."""

    def __init__(self) -> None:
        self._raw: Any = None
        """The connection of psycopg that holds it; None while it is not held."""
        self.epoch = 0

    def __str__(self) -> str:
        return f"{TABLE}, epoch {self.epoch}"

    def try_acquire(self, *, purpose: str, after: int = 0) -> bool:
        """Take the lease unless another connection has it. Its epoch comes after that one, which Redis knows:
        the database may have been restored from a backup. Raises StoreNotReady and django.db.Error.
        """
        connection = connections[DEFAULT_DB_ALIAS]
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        if not _try(connection):
            return False
        try:
            self.epoch = _begin_epoch(connection, purpose, after)
        except BaseException as exc:
            connection.close()  # and with it the lease
            if isinstance(exc, ProgrammingError):
                raise StoreNotReady(
                    f"The lease cannot be taken ({exc}). Is `manage.py migrate` due?"
                ) from exc
            raise
        self._raw = connection.connection
        return True

    def begin_to_write(self) -> None:
        """Make the connection that holds the lease the writer's; one that is opened anew takes it anew."""
        for alias in connections:
            if alias != DEFAULT_DB_ALIAS:
                connections[alias].close()
        connection = connections[DEFAULT_DB_ALIAS]
        guard = opening.server_guard_of(connection)
        guard.check, guard.reopened = self.check, self.take_anew
        opening.apply_role(connection)

    @property
    def is_held(self) -> bool:
        """Whether this process holds it, as far as it knows."""
        return self._raw is not None

    def is_intact(self) -> bool:
        """Return whether it is not known to be lost."""
        return self.is_held

    def check(self, connection: BaseDatabaseWrapper) -> None:
        """Raise LeaseLost unless this connection holds the lease, in the epoch that began with it.

        To be called with the store lock held: who takes the lease needs that lock to begin an epoch.
        """
        if self._raw is None or connection.connection is not self._raw or _epoch(connection) != self.epoch:
            self._lose()

    def take_anew(self, connection: BaseDatabaseWrapper) -> None:
        """Go on with another connection, when nobody has had the lease meanwhile. Raises LeaseLost."""
        if self._raw is None or connection.alias != DEFAULT_DB_ALIAS:
            return
        if not _try(connection) or _epoch(connection) != self.epoch:
            self._lose()
        self._raw = connection.connection
        logger.warning("writer state=reconnected lease=%s", self)

    def _lose(self) -> None:
        self._raw = None
        raise LeaseLost

    def release(self) -> None:
        """Give the lease back. Does nothing when it is not held."""
        connection = connections[DEFAULT_DB_ALIAS]
        guard = opening.server_guard_of(connection)
        guard.check = guard.reopened = None
        if self._raw is not None and connection.connection is self._raw:
            connection.close()
        self._raw = None

    def holder(self) -> Holder | None:
        """Return who took the lease last; None when nobody has. Raises django.db.Error."""
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(f"SELECT purpose, pid, host, extract(epoch FROM since) FROM {TABLE}")  # noqa: S608 - a constant
            row = cursor.fetchone()
        if row is None or row[1] is None:
            return None
        purpose, pid, host, since = row
        is_here = host == socket.gethostname()
        return Holder(
            purpose=purpose if is_here else f"{purpose} on {host}",
            pid=pid,
            since=float(since),
            is_here=is_here,
        )


def is_held() -> bool:
    """Return whether some connection holds the lease. Raises django.db.Error."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        return who.lease_holder(cursor) is not None


def _try(connection: BaseDatabaseWrapper) -> bool:
    with connection.wrap_database_errors:
        return bool(connection.connection.execute(who.TRY_LEASE).fetchone()[0])


def _epoch(connection: BaseDatabaseWrapper) -> int | None:
    with connection.wrap_database_errors:
        row = connection.connection.execute(_READ).fetchone()
        return None if row is None else int(row[0])


def _begin_epoch(connection: BaseDatabaseWrapper, purpose: str, after: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"{_BEGIN} RETURNING epoch", [after, purpose, os.getpid(), socket.gethostname()])
        row = cursor.fetchone()
    if row is None:
        raise StoreNotReady("The store has no lease. Run `manage.py migrate`.")
    return int(row[0])


def ensure(connection: BaseDatabaseWrapper) -> None:
    """Make the lease's table and its row, where they are missing. For a migration, inside its transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (id integer NOT NULL PRIMARY KEY CHECK (id = 1), "
            "epoch bigint NOT NULL, purpose text, pid integer, host text, since timestamptz)"
        )
        cursor.execute(f"INSERT INTO {TABLE} (id, epoch) VALUES (1, 0) ON CONFLICT DO NOTHING")  # noqa: S608 - a constant


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the table away, for who takes the write path out of a project."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
