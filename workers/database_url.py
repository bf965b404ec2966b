"""The URL of a database, as Django's settings have it: one reading for DATABASE_URL and for move_store."""

from typing import Any
from urllib.parse import unquote, urlsplit

try:
    import dj_database_url
except ImportError:  # a project that names its databases in the settings does not need it
    dj_database_url = None  # type: ignore[assignment]  # asked for below

DEFAULT_PORT = 5432

POSTGRESQL_OPTIONS: dict[str, Any] = {
    # So a server that is cut off is noticed in seconds, not in the two hours of the operating system, and
    # before WRITE_TIME_LIMIT_SECONDS: else its silence would be taken for a write that hangs.
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    "connect_timeout": 3,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 3_000,
}
"""What a URL of a PostgreSQL database does not say itself."""

SQLITE_OPTIONS: dict[str, Any] = {"timeout": 5}


class NoParser(Exception):
    """dj-database-url is not installed."""


def parse(url: str, *, of_several: str = "primary") -> dict[str, Any]:
    """Return what the URL says, with OPTIONS.

    Of several hosts each connection goes to the first one of the kind `of_several`, unless the URL has
    `target_session_attrs`. Raises ValueError, and NoParser.
    """
    if dj_database_url is None:
        raise NoParser
    found: dict[str, Any] = (
        _of_several_hosts(url, of_several) if _names_several(url) else dict(dj_database_url.parse(url))
    )
    if not found.get("NAME") or found["NAME"] == ":memory:":
        raise ValueError("It names no database.")
    usual = SQLITE_OPTIONS if found["ENGINE"].endswith("sqlite3") else POSTGRESQL_OPTIONS
    return {**found, "OPTIONS": usual | found.get("OPTIONS", {})}


def _names_several(url: str) -> bool:
    parts = urlsplit(url)
    return "," in parts.netloc and parts.scheme != "sqlite"


def _of_several_hosts(url: str, kind: str) -> dict[str, Any]:
    """Return Django's form of a URL as libpq has it: `postgresql://user:password@host1:5432,host2/name`.

    A replica that was promoted is so found without a restart. Raises ValueError.
    """
    parts = urlsplit(url)
    login, at, places = parts.netloc.rpartition("@")
    each = [urlsplit(f"//{place}") for place in places.split(",")]
    if not all(one.hostname for one in each):
        raise ValueError("One of its hosts has no name.")
    found: dict[str, Any] = dict(dj_database_url.parse(parts._replace(netloc=f"{login}{at}host").geturl()))
    return found | {
        "HOST": ",".join(unquote(one.hostname or "") for one in each),
        "PORT": ",".join(str(one.port or DEFAULT_PORT) for one in each),
        "OPTIONS": {"target_session_attrs": kind} | found.get("OPTIONS", {}),
    }
