"""How much room everything takes that grows, and what bounds it. Cheap: nothing is scanned."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from django.db import Error, connections

from workers.backups import archive, snapshot
from workers.conf import settings
from workers.store import receipts, store_file, wal
from workers.stream import redis_stream
from workers.stream.redis_client import shared_client

T = TypeVar("T")

AOF_PERCENTAGE, AOF_MIN_BYTES = 100, 64 * 1024 * 1024
"""Redis's own values: its append-only file is written anew when it has grown so much, from this size on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes at one moment, each with its limit. None where it cannot be told now."""

    store_bytes: int | None
    store_free_bytes: int | None
    """Of it, what deleted rows have left, and new ones take."""
    disk_free_bytes: int | None
    """The limit of the store, of its log, and of backups beside it."""
    disk_bytes: int | None
    log_bytes: int | None
    """Of the write-ahead log."""
    log_limit_bytes: int
    """From this size on it is emptied, when no reader needs it."""
    receipts: int | None
    """About how many there are."""
    receipts_limit: int
    receipts_days: int
    receipts_bytes: int | None
    stream_length: int | None
    stream_limit: int
    stream_bytes: int | None
    stream_limit_bytes: int
    redis_log_bytes: int | None
    """Of its append-only file."""
    redis_log_limit_bytes: int | None
    """At this size Redis writes it anew; None when it never does."""
    backups: int | None
    backups_limit: int
    backups_bytes: int | None
    newest_backup_at: float | None
    """The moment that it holds, in seconds since 1970; None also when there is none."""


def sizes() -> Sizes:
    """Ask the store's files, the store and Redis; whatever does not respond is None."""
    client, is_file = shared_client(), connections["default"].vendor == "sqlite"
    store, free = (_asked(_store) if is_file else None) or (None, None)
    usage = _asked(lambda: shutil.disk_usage(store_file.path().parent)) if is_file else None
    backups = (_asked(_backups) if is_file else None) or (None, None, None)
    estimate = _asked(receipts.estimate)
    # In one, so that a Redis that is frozen is waited for once.
    length, stream, log, log_limit = _asked(lambda: _redis(client)) or (None, None, None, None)
    return Sizes(
        store_bytes=store,
        store_free_bytes=free,
        disk_free_bytes=usage and usage.free,
        disk_bytes=usage and usage.total,
        log_bytes=_asked(lambda: wal.size_bytes(store_file.path())) if is_file else None,
        log_limit_bytes=settings.WRITE_CHECKPOINT_BYTES,
        receipts=estimate and estimate[0],
        receipts_limit=settings.WRITE_MAX_RECEIPTS,
        receipts_days=settings.WRITE_RECEIPT_DAYS,
        receipts_bytes=estimate and estimate[1],
        stream_length=length,
        stream_limit=settings.WRITE_STREAM_MAX_LENGTH,
        stream_bytes=stream,
        stream_limit_bytes=settings.WRITE_STREAM_MAX_BYTES,
        redis_log_bytes=log,
        redis_log_limit_bytes=log_limit,
        backups=backups[0],
        backups_limit=settings.WRITE_BACKUP_KEEP,
        backups_bytes=backups[1],
        newest_backup_at=backups[2],
    )


def _asked(ask: Callable[[], T]) -> T | None:
    with suppress(Error, redis.RedisError, OSError):
        return ask()
    return None


def _store() -> tuple[int, int]:
    """Return the size of the file, and what of it is free."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")
        (free,) = cursor.fetchone()
    return store_file.path().stat().st_size, free


def _backups() -> tuple[int, int, float | None]:
    """Return how many backups there are, their bytes, and the moment that the newest one holds."""
    store = store_file.path()
    found = archive.all_backups(archive.directory(), store, snapshot.identity_of(store))
    size_bytes = sum(backup.manifest.size_bytes for backup in found)
    return len(found), size_bytes, found[0].manifest.taken_at if found else None


def _redis(client: redis.Redis) -> tuple[int, int, int | None, int | None]:
    """Return writes and bytes in the stream, Redis's append-only file, and when it is written anew."""
    length, stream = redis_stream.length(client), redis_stream.size_bytes(client)
    info: Any = client.info("persistence")
    if "aof_current_size" not in info:
        return length, stream, None, None
    options: Any = {}
    with suppress(redis.ResponseError):  # hidden from its clients
        options = client.config_get("auto-aof-rewrite-*")
    share = int(options.get("auto-aof-rewrite-percentage", AOF_PERCENTAGE))
    least = int(options.get("auto-aof-rewrite-min-size", AOF_MIN_BYTES))
    limit = max(least, info["aof_base_size"] * (100 + share) // 100) if share else None
    return length, stream, info["aof_current_size"], limit
