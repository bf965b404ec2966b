"""The advisory locks of the write path, and who holds them, as the server's own tables tell."""

import os
import re
import socket
from typing import Any

from workers.store.holder import Holder
from workers.store.lock import purpose

# Any number that no other program uses; the second says which lock it is. They count within one database.
_SPACE = 1_869_505_911
_LEASE, _LOCK = 1, 2

TRY = f"SELECT pg_try_advisory_xact_lock({_SPACE}, {_LOCK})"
WAIT = f"SELECT pg_advisory_xact_lock({_SPACE}, {_LOCK})"
TRY_FOR_LONG = f"SELECT pg_try_advisory_lock({_SPACE}, {_LOCK})"
WAIT_FOR_LONG = f"SELECT pg_advisory_lock({_SPACE}, {_LOCK})"
GIVE_BACK = f"SELECT pg_advisory_unlock({_SPACE}, {_LOCK})"
TRY_LEASE = f"SELECT pg_try_advisory_lock({_SPACE}, {_LEASE})"

CHANGED_NOTHING = """
    SELECT pg_current_xact_id_if_assigned() IS NULL
    AND NOT EXISTS (SELECT FROM pg_cursors WHERE name <> '')
"""
"""Whether another transaction can take the place of one: rows of a cursor on the server would go with it."""

_HOLDER = (
    "SELECT a.application_name, extract(epoch FROM coalesce(a.xact_start, a.state_change)) "
    "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""See https://www.postgresql.org/docs/current/view-pg-locks.html."""

NAME_BYTES = 63
"""Of an application_name, unless the server was compiled otherwise."""

_NAMED = re.compile(r"(?P<purpose>.*) (?P<pid>\d+)@(?P<host>\S+)")


def application_name() -> str:
    """Return what this process is doing, its pid and its host, as other hosts can see it on the server."""
    place = f" {os.getpid()}@{socket.gethostname()}".encode("ascii", "replace")[: NAME_BYTES - 10]
    return (purpose.current().encode("ascii", "replace")[: NAME_BYTES - len(place)] + place).decode()


def holder(cursor: Any) -> Holder | None:
    """Return who holds the store lock; None when nobody does."""
    return _holder(cursor, _LOCK)


def lease_holder(cursor: Any) -> Holder | None:
    """Return who holds the lease; None when nobody does."""
    return _holder(cursor, _LEASE)


def _holder(cursor: Any, lock: int) -> Holder | None:
    cursor.execute(_HOLDER, [_SPACE, lock])
    row = cursor.fetchone()
    if row is None:
        return None
    name, since = row[0] or "", row[1]
    found = _NAMED.fullmatch(name)
    if found is None:
        return Holder(purpose=name or "an unknown process", pid=None, since=since and float(since))
    is_here = found["host"] == socket.gethostname()
    return Holder(
        purpose=found["purpose"] if is_here else f"{found['purpose']} on {found['host']}",
        pid=int(found["pid"]),
        since=since and float(since),
        is_here=is_here,
    )
