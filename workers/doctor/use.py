"""Whether this project hands writes over to a writer, or has the store lock alone: docs/adopt.md, step 1."""

import redis
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections

from workers import registry
from workers.doctor import sqlite_store
from workers.doctor.finding import Finding, info
from workers.models import Receipt
from workers.store.lease import held_by
from workers.stream import celery_app, ownership

NO_CELERY_APP = "workers.E020"


def has_the_store_lock_alone(client: redis.Redis) -> bool:
    """Return whether nothing points to a writer. In doubt Redis is needed, and its absence is an error.

    Without a Celery app no writer can start and none can be told of writes, so none are handed over; but a
    project may have lost its app, or these settings may not be those of its service. Hence the rest.
    """
    try:
        return not (_is_wired() or _has_worked() or _is_in_redis(client))
    except Exception:  # of the project's own modules, imported to look; or of a store that cannot be read
        return False


def not_needed() -> Finding:
    return info(
        "redis",
        "Not needed: this project has the store lock alone, which works without it. No Celery app was given "
        "to workers.celery.prepare(), no write function or view hands writes over, and none has a receipt.",
    )


def _is_wired() -> bool:
    if registry.is_used() or any(message.id == NO_CELERY_APP for message in checks.run_checks()):
        return True  # it has write functions, or views that hand over, with an app or in want of one
    try:
        celery_app.find()
    except celery_app.NoCeleryApp:
        return False
    return True


def _has_worked() -> bool:
    """Return whether a writer has committed something, or is there now. Raises django.db.Error, OSError."""
    return (_has_receipts() and Receipt.objects.exists()) or held_by() is not None


def _has_receipts() -> bool:
    """Return whether the store has a place for receipts: not before the first `migrate`."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite" and not sqlite_store.path().is_file():
        return False  # to look into it would make the file
    return Receipt._meta.db_table in connection.introspection.table_names()


def _is_in_redis(client: redis.Redis) -> bool:
    try:
        return ownership.owner(client) is not None
    except redis.RedisError:
        return False
