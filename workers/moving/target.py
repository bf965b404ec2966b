"""Where a store is moved to: one of the project's databases, or what a URL names."""

from django.db import DEFAULT_DB_ALIAS, connections

from workers import database_url
from workers.moving.errors import NotMoved
from workers.store import replica

ALIAS = "move_store_target"


def alias_of(to: str) -> str:
    """Return the alias of the target, which a URL gets here. Raises NotMoved."""
    if to == DEFAULT_DB_ALIAS:
        raise NotMoved("The target is the store itself. Name another database.")
    if to == replica.ALIAS and replica.is_used():
        raise NotMoved("The target is a replica of the store. Name another database.")
    if to in connections.settings:
        return to
    if "://" not in to:
        raise NotMoved(f"DATABASES has no {to!r}. Name one of its databases, or a URL.")
    try:
        found = database_url.parse(to)
    except database_url.NoParser:
        raise NotMoved(
            "A URL needs dj-database-url, which is not installed: pip install dj-database-url, or name one "
            "of DATABASES."
        ) from None
    except ValueError as exc:
        raise NotMoved(f"That is no URL of a database: {exc}") from None
    settings = connections.configure_settings({DEFAULT_DB_ALIAS: {}, ALIAS: found})
    connections.settings[ALIAS] = settings[ALIAS]
    return ALIAS
