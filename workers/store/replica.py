"""The replica that GETs of web processes read from, where the settings name one.

A view takes it for the rows that it shows (workers/rest/reading.py). Who asks, what they may, receipts and
whatever else is read comes from the store itself. A replica that is away is done without.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connections, router
from django.db.models import Model

from workers.conf import settings
from workers.exceptions import StoreNotReady, WrongStore
from workers.store import errors, identity
from workers.store.roles import Role, current_role

logger = logging.getLogger(__name__)

ALIAS = "replica"
"""Of DATABASES."""

RETRY_SECONDS = 2.0
"""How often a replica that is away is tried again, by one request; the others read from the store."""

CONFLICT = "40001"
"""A read that was in the way of what the replica has to replay. The next one may pass."""

_STATE = (
    "SELECT pg_is_in_recovery(), pg_is_wal_replay_paused(), "
    "greatest(0, pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn())), "
    "greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp()))"
)
"""See https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL."""


class Router:
    """Lets the replica be read, and never be written. Among DATABASE_ROUTERS, it switches the replica on."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Say where what was read from the replica is saved."""
        state = getattr(hints.get("instance"), "_state", None)
        return DEFAULT_DB_ALIAS if state is not None and state.db == ALIAS else None

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        """Let rows of both be related: they are the same rows."""
        is_same_store = {one._state.db, other._state.db} <= {DEFAULT_DB_ALIAS, ALIAS, None}
        return True if is_same_store else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Say that a replica has its tables from the store."""
        return False if db == ALIAS else None


class _Presence:
    """Whether the replica is there, as far as this process knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_try = 0.0
        self.reason: str | None = None
        """Why it is away; None while it is there."""

    def may_try(self) -> bool:
        """Return whether the caller may read from it; while it is away that is one caller now and then."""
        if self.reason is None:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + RETRY_SECONDS
            return True

    def lose(self, exc: Exception) -> None:
        with self._lock:
            is_news = self.reason is None
            self.reason = str(exc).strip() or type(exc).__name__
            self._next_try = time.monotonic() + RETRY_SECONDS
        if is_news:
            logger.warning("replica state=away error=%s", " ".join(self.reason.split()))

    def find(self) -> None:
        with self._lock:
            was_away, self.reason = self.reason is not None, None
        if was_away:
            logger.warning("replica state=back")


_presence = _Presence()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    """What the replica says of itself, or why it says nothing."""

    problem: str | None = None
    """What is wrong with it; None when nothing is."""
    behind_bytes: int | None = None
    """Of the store's log, which it has not replayed; None when that is not known."""
    behind_seconds: float | None = None
    """How old what it shows is; 0 when it has replayed everything."""

    @property
    def warning(self) -> str | None:
        """What to tell an operator, or None."""
        if self.problem is None and (self.behind_seconds or 0.0) > settings.WRITE_WAIT_SECONDS:
            return f"It is {self.behind_seconds:.0f} s behind: Read-After waits in vain."
        return self.problem


def is_used() -> bool:
    """Return whether the settings name a replica, and switch it on."""
    return ALIAS in connections.settings and any(isinstance(one, Router) for one in router.routers)


def is_of(connection: Any) -> bool:
    """Return whether a connection is one to the replica."""
    return connection.alias == ALIAS and is_used()


def alias_for_reading() -> str:
    """Return the alias of the database that the request in hand reads rows from, opened."""
    if current_role() is not Role.WEB or not is_used() or _is_in_transaction() or not _presence.may_try():
        return DEFAULT_DB_ALIAS
    try:
        _open()
    except (Error, StoreNotReady, WrongStore) as exc:
        _presence.lose(exc)
        return DEFAULT_DB_ALIAS
    _presence.find()
    return ALIAS


def may_read_elsewhere(exc: Exception) -> bool:
    """Return whether a read of the replica failed because of the replica, so that the store can be asked."""
    if not errors.is_store_error(exc):
        return False
    if errors.sqlstate(exc) != CONFLICT:
        _presence.lose(exc)
    return True


def state() -> ReplicaState | None:
    """Return how far behind it is; None without one. One that does not respond is waited for now and then."""
    if not is_used():
        return None
    if not _presence.may_try():
        return _away()
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_lsn()")
            [lsn] = cursor.fetchone()
    except Error as exc:
        return ReplicaState(problem=f"The store does not say how far it is: {str(exc).strip()}")
    try:
        _open()
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(_STATE, [lsn])
            is_replica, is_paused, behind, seconds = cursor.fetchone()
    except (Error, StoreNotReady, WrongStore) as exc:
        _presence.lose(exc)
        return _away()
    _presence.find()
    if not is_replica:
        return ReplicaState(problem="It is no replica any more: it was promoted, and follows nobody.")
    return ReplicaState(
        problem="Its replay is paused: pg_wal_replay_resume() lets it go on." if is_paused else None,
        behind_bytes=int(behind),
        behind_seconds=round(float(seconds or 0), 3) if behind else 0.0,
    )


def _away() -> ReplicaState:
    return ReplicaState(problem=f"It is away, and the store is read in its place: {_presence.reason}")


def _open() -> None:
    """Open this caller's connection. Raises WrongStore, StoreNotReady and django.db.Error."""
    connection = connections[ALIAS]
    if connection.connection is not None:
        return
    connection.ensure_connection()
    try:
        if identity.read(ALIAS) != identity.current():
            raise WrongStore("It holds another store. Let DATABASE_READ_URL name a replica of DATABASE_URL.")
    except BaseException:
        connection.close()
        raise


def _is_in_transaction() -> bool:
    """Return whether what the request reads now belongs to a transaction of the store."""
    return any(
        one.alias == DEFAULT_DB_ALIAS and one.in_atomic_block
        for one in connections.all(initialized_only=True)
    )
