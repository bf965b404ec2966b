"""Which database is the store: an SQLite file in the data directory, or what DATABASE_URL names."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from project import data_dir
from workers import database_url
from workers.environment import InvalidEnvironment, given

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
    replica = _of_url("DATABASE_READ_URL", read_url, directory, of_several="prefer-standby")
    if any(one["ENGINE"].endswith("sqlite3") for one in (store, replica)):
        raise InvalidEnvironment(
            "DATABASE_READ_URL is for a replica of the PostgreSQL server in DATABASE_URL: unset it on SQLite."
        )
    return {"default": store, "replica": {**replica, "TEST": {"MIRROR": "default"}}}


def _of_url(name: str, url: str, directory: Path, *, of_several: str = "primary") -> dict[str, Any]:
    found = _parsed(name, url, of_several)
    if found["ENGINE"].endswith("sqlite3"):
        return {**_sqlite(Path(found["NAME"]), directory), "OPTIONS": found["OPTIONS"]}
    return {**found, "CONN_MAX_AGE": None}


def _sqlite(path: Path, directory: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {**database_url.SQLITE_OPTIONS},
        "CONN_MAX_AGE": None,
        # A file, not memory: in tests other processes open the store too, and WAL needs a file.
        "TEST": {"NAME": directory / "test-store.sqlite3"},
    }


def _parsed(name: str, url: str, of_several: str) -> dict[str, Any]:
    """Return Django's form of a URL. Raises InvalidEnvironment, which does not tell the password."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in SCHEMES:
        raise InvalidEnvironment(f"{name} begins with {scheme or 'no scheme'!r}; use {EXAMPLES}.")
    try:
        return database_url.parse(url, of_several=of_several)
    except ValueError as exc:
        raise InvalidEnvironment(
            f"{name} is no URL of a database: {exc} Special characters are written as %XX; {EXAMPLES}."
        ) from None
