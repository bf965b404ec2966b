"""The service's settings with another database, and views that do not go through the writer.

PEER_VIEW names the view, PEER_DATABASE the database's settings; see benchmarks/contestants/.
"""

from project import environment
from project.settings import *  # noqa: F403 - what is not changed here is to be the same
from project.settings import DATA_DIR, INSTALLED_APPS

INSTALLED_APPS = [
    "benchmarks.peers.apps.WithoutWritePath" if app == "workers" else app for app in INSTALLED_APPS
]
ROOT_URLCONF = "benchmarks.peers.urls"
PEER_VIEW = environment.choice(
    "PEER_VIEW", "direct", choices=["noop", "direct", "celery-task", "celery-batches"]
)


def _wal(synchronous: str) -> dict[str, object]:
    """Return what people are told to set: for `synchronous` they have the choice."""
    return {
        "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }


_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATA_DIR / "store.sqlite3",
    # As in the service: connections are kept.
    "CONN_MAX_AGE": None,
}
_POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "postgres",
    "USER": "postgres",
    "HOST": environment.text("PEER_POSTGRES_SOCKETS"),
    "CONN_MAX_AGE": None,
}
DATABASES = {
    "default": {
        "default": _SQLITE,
        "full": _SQLITE | {"OPTIONS": _wal("FULL")},
        "normal": _SQLITE | {"OPTIONS": _wal("NORMAL")},
        "postgres": _POSTGRES,
    }[environment.choice("PEER_DATABASE", "default", choices=["default", "full", "normal", "postgres"])]
}
