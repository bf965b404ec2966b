"""Where the service keeps its data, where it listens, and how many serve: what `manage.py up` goes by.

A Django setting of the name, else the environment variable, else a default with which a plain project runs.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, TypeVar

from django.conf import settings as django_settings

from workers import environment
from workers.redis_address import RedisAddress, socket_path

V = TypeVar("V")

MOST_WEB_PROCESSES = 16
"""That are started unasked."""


class ServiceSetting(Generic[V]):
    """One setting; `read` gives what the environment says, or the default."""

    def __init__(self, read: Callable[[], V]) -> None:
        self._read = read
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> V:
        """Raises InvalidEnvironment."""
        value: V | None = getattr(django_settings, self._name, None)
        return self._read() if value is None else value


class ServiceSettings:
    """The names are those of the Django settings and of the environment variables."""

    BASE_DIR = ServiceSetting(lambda: _above_the_settings())
    """Where manage.py is."""
    DATA_DIR = ServiceSetting(lambda: _data_dir())
    """Directory of what `up` keeps: its locks and the embedded Redis."""
    REDIS_URL = ServiceSetting(lambda: _redis().url)
    """Of redis-py; the socket of the Redis that `up` starts, unless one is named."""
    HOST = ServiceSetting(lambda: environment.host("HOST", "127.0.0.1"))
    PORT = ServiceSetting(lambda: environment.integer("PORT", 8000, at_least=1, at_most=65_535))
    # One process uses one core; the writer and Redis together need a tenth of what the web processes need.
    WEB_PROCESSES = ServiceSetting(
        lambda: environment.integer(
            "WEB_PROCESSES", min(max(2, environment.cores()), MOST_WEB_PROCESSES), at_least=1, at_most=64
        )
    )
    WEB_CONNECTIONS = ServiceSetting(
        lambda: environment.integer("WEB_CONNECTIONS", 4_000, at_least=1, at_most=10_000)
    )
    """Most connections that each web process has open."""
    WEB_DATABASE_CONNECTIONS = ServiceSetting(
        lambda: environment.integer("WEB_DATABASE_CONNECTIONS", 20, at_least=2, at_most=1_000)
    )
    """Most connections that each web process has to a database server."""
    WEB_ON_LOOP: ServiceSetting[Sequence[str]] = ServiceSetting(lambda: ())
    """Beginnings of paths whose requests run on the event loop of a web process, where nothing may block."""


place = ServiceSettings()


def _data_dir() -> Path:
    return environment.path("DATA_DIR", Path(place.BASE_DIR) / "var")


def _redis() -> RedisAddress:
    return environment.redis("REDIS_URL") or RedisAddress.of_socket(socket_path(Path(place.DATA_DIR)))


def _above_the_settings() -> Path:
    """Return the directory that holds the package, or the module, of the settings: `startproject` puts
    manage.py there. The same in every process, whatever it was started as."""
    name = (django_settings.SETTINGS_MODULE or "").partition(".")[0]
    spec = find_spec(name) if name else None
    if spec is None:
        return Path.cwd()
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve().parent
    return Path(str(spec.origin)).resolve().parent
