"""Which database is the store: an SQLite file in the data directory, or what DATABASE_URL names."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url

from project import data_dir
from workers.environment import POSTGRESQL_OPTIONS, InvalidEnvironment, given

DEFAULT_PORT = 5432

SCHEMES = {"sqlite", "postgresql", "postgres"}

EXAMPLES = "postgresql://user:password@host:5432/name, or sqlite:////directory/store.sqlite3"


def of_environment(directory: Path) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES. Raises InvalidEnvironment."""
    url = given("DATABASE_URL")
    path = directory / data_dir.STORE_NAME
    store = _of_url("DATABASE_URL", url, directory) if url else _sqlite(path, directory)
    read_url = given("DATABASE_READ_URL")
    if read_url is None:
        return {"default": store}
    replica = _of_url("DATABASE_READ_URL", read_url, directory)
    if any(one["ENGINE"].endswith("sqlite3") for one in (store, replica)):
        raise InvalidEnvironment(
            "DATABASE_READ_URL is for a replica of the PostgreSQL server in DATABASE_URL: unset it on SQLite."
        )
    return {"default": store, "replica": {**replica, "TEST": {"MIRROR": "default"}}}


def _of_url(name: str, url: str, directory: Path) -> dict[str, Any]:
    found = _parsed(name, url)
    if found["ENGINE"].endswith("sqlite3"):
        return {**_sqlite(Path(found["NAME"]), directory), **_options_of(found, timeout=5)}
    return {**found, "CONN_MAX_AGE": None, **_options_of(found, **POSTGRESQL_OPTIONS)}


def _sqlite(path: Path, directory: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {"timeout": 5},
        "CONN_MAX_AGE": None,
        # A file, not memory: in tests other processes open the store too, and WAL needs a file.
        "TEST": {"NAME": directory / "test-store.sqlite3"},
    }


def _options_of(found: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    return {"OPTIONS": defaults | found.get("OPTIONS", {})}


def _parsed(name: str, url: str) -> dict[str, Any]:
    """Return Django's form of a URL. Raises InvalidEnvironment, which does not tell the password."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in SCHEMES:
        raise InvalidEnvironment(f"{name} begins with {scheme or 'no scheme'!r}; use {EXAMPLES}.")
    try:
        found = _of_several_hosts(url) if _names_several(url) else dict(dj_database_url.parse(url))
    except ValueError as exc:
        raise InvalidEnvironment(
            f"{name} is no URL of a database: {exc} Special characters are written as %XX; {EXAMPLES}."
        ) from None
    if not found["NAME"] or found["NAME"] == ":memory:":
        raise InvalidEnvironment(f"{name} names no database; use {EXAMPLES}.")
    return found


def _names_several(url: str) -> bool:
    parts = urlsplit(url)
    return "," in parts.netloc and parts.scheme != "sqlite"


def _of_several_hosts(url: str) -> dict[str, Any]:
    """Return Django's form of a URL as libpq has it: `postgresql://user:password@host1:5432,host2/name`.

    Each connection goes to the first of them that is the primary, unless `target_session_attrs` says
    otherwise: a replica that was promoted is found without a restart. Raises ValueError.
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
        "OPTIONS": {"target_session_attrs": "primary"} | found.get("OPTIONS", {}),
    }
