"""What stands between this installation and its promises: each finding with its hint.

Nothing here writes the store, takes the lease, or asks the writer for anything; every part responds while
Redis, the writer or the store is down. The decisions are functions of plain values, named `judge_...`; what
they are given is gathered beside them.
"""

from collections.abc import Callable, Iterator

import redis
from django.db import DatabaseError, connections

from workers.doctor import (
    backups,
    disk,
    host,
    postgresql_store,
    privacy,
    redis_server,
    sqlite_store,
    use,
    write_path,
)
from workers.doctor.finding import Finding, Level, error, info
from workers.exceptions import WrongStore
from workers.stream.redis_client import connect

REPLY_SECONDS = 2.0
"""Longest wait for a reply of Redis."""

__all__ = ["Finding", "Level", "examine"]


def examine(*, full: bool = False) -> Iterator[Finding]:
    """Yield what is found, part by part. `full` compares indexes with their tables too."""
    vendor = connections["default"].vendor
    if vendor == "sqlite":
        yield from disk.examine(sqlite_store.path())
        yield privacy.examine(sqlite_store.path())
        yield from _store(full=full)
        yield backups.examine(sqlite_store.path())
        yield write_path.look_at_lock()
        yield from host.examine(sqlite_store.path())
    elif vendor == "postgresql":
        yield from postgresql_store.examine()
        yield write_path.look_at_lock()
    else:
        yield info("store", f"On {vendor}: the checks of an SQLite store do not apply.")
    with connect(timeout_seconds=REPLY_SECONDS) as client:
        if use.has_the_store_lock_alone(client):
            yield use.not_needed()
        else:
            yield from host.overcommit()
            yield from _redis(client)


def _store(*, full: bool) -> Iterator[Finding]:
    yield sqlite_store.judge_version(sqlite_store.library_version())
    if not sqlite_store.path().is_file():
        yield error("store", f"{sqlite_store.path()} does not exist.", "Make it with `manage.py migrate`.")
        return
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("store.file", sqlite_store.file),
        *((f"store.{role}", lambda role=role: sqlite_store.as_role(role)) for role in sqlite_store.ROLES),
        ("store.migrations", sqlite_store.migrations),
        ("store.integrity", lambda: sqlite_store.integrity(full=full)),
    ]
    for name, check in checks:
        try:
            yield check()
        except (DatabaseError, WrongStore) as exc:
            yield error(name, f"The store cannot be used: {exc}", sqlite_store.hint_for(exc))


def _redis(client: redis.Redis) -> Iterator[Finding]:
    """Yield what Redis shows, as far as it responds; the lease is judged without it too."""
    try:
        yield from redis_server.examine(client)
        yield from write_path.examine(client)
    except redis.RedisError as exc:
        yield error(
            "redis",
            f"Redis does not respond: {exc}".rstrip(".") + ".",
            "Start it (`manage.py up` does without REDIS_URL), or correct REDIS_URL. "
            "Until then new writes get 503; accepted ones wait in its files.",
        )
        if connections["default"].vendor == "sqlite":
            yield write_path.lease_without_redis()
