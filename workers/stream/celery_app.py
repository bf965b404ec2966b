"""The Celery app whose workers can be the writer: the one that the project gave to `workers.celery.prepare`.

Not Celery's current app. In a thread that is the app which was made last, and in a process that never imports
the project's app it is one with a broker of its own, where every ring would be lost.
"""

from collections.abc import Iterator
from importlib import import_module

from celery import Celery
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from workers.conf import settings, settings_of_tests

_prepared: Celery | None = None


class NoCeleryApp(ImproperlyConfigured):
    """No Celery app of this project can be the writer; the message says where one was looked for."""


def register(app: Celery) -> None:
    """Let this app be the one. Raises ImproperlyConfigured when another one is: there is one writer."""
    global _prepared  # one per process: that is the point
    if _prepared is not None and _prepared is not app:
        raise ImproperlyConfigured(
            f"workers.celery.prepare() was given two apps, {_prepared.main!r} and {app.main!r}: "
            "prepare the one whose worker is the writer."
        )
    _prepared = app


def find() -> Celery:
    """Return the prepared app; import the module in which it stands if nobody has. Raises NoCeleryApp."""
    tried = []
    for name in _modules():
        if _prepared is not None:
            break
        tried.append(name)
        _import(name)
    if _prepared is None:
        looked = f" Looked into: {', '.join(tried)}." if tried else ""
        raise NoCeleryApp(f"No Celery app was given to workers.celery.prepare().{looked}")
    return _prepared


def missing() -> list[CheckMessage]:
    """Return the check of a project that has writes to tell of, and nobody to tell them to."""
    if settings_of_tests.WRITE_SUBMITTER:
        return []
    try:
        find()
    except NoCeleryApp as exc:
        return [
            Error(
                f"There are write functions, and no writer can be told of writes: {exc}",
                hint="Call prepare(app) of workers.celery in celery.py of the project's package, "
                "or name its module in WRITE_CELERY_APP.",
                id="workers.E020",
            )
        ]
    return []


def _modules() -> Iterator[str]:
    """Yield where the app may stand: where the setting says, else beside the settings and URLs or above."""
    if settings.WRITE_CELERY_APP:
        yield settings.WRITE_CELERY_APP
        return
    seen = set()
    for module in (django_settings.SETTINGS_MODULE, getattr(django_settings, "ROOT_URLCONF", None)):
        package = module if isinstance(module, str) else ""  # a URLconf may be an object
        while package := package.rpartition(".")[0]:
            if package not in seen:
                seen.add(package)
                yield f"{package}.celery"


def _import(name: str) -> None:
    """Import the module if it is there. Raises what it raises itself."""
    try:
        import_module(name)
    except ModuleNotFoundError as exc:
        if not (exc.name and f"{name}.".startswith(f"{exc.name}.")):
            raise  # it is there, and imports something that is not
