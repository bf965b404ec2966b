"""Where a store is moved to: one of the project's databases, or what a URL names."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from workers.environment import POSTGRESQL_OPTIONS
from workers.moving.errors import NotMoved
from workers.store import replica

try:
    import dj_database_url
except ImportError:  # a project that names its databases in the settings does not need it
    dj_database_url = None  # type: ignore[assignment]  # asked for below

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
    if dj_database_url is None:
        raise NotMoved(
            "A URL needs dj-database-url, which is not installed: pip install dj-database-url, or name one "
            "of DATABASES."
        )
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(to))
    except ValueError as exc:
        raise NotMoved(f"That is no URL of a database: {exc}") from None
    if not found.get("NAME") or found["NAME"] == ":memory:":
        raise NotMoved("The URL names no database.")
    is_file = found["ENGINE"].endswith("sqlite3")
    found["OPTIONS"] = ({"timeout": 5} if is_file else POSTGRESQL_OPTIONS) | found.get("OPTIONS", {})
    settings = connections.configure_settings({DEFAULT_DB_ALIAS: {}, ALIAS: found})
    connections.settings[ALIAS] = settings[ALIAS]
    return ALIAS
