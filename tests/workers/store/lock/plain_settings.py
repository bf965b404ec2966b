"""The settings of a project that has never heard of the write path, but for one line in INSTALLED_APPS."""

import os
from pathlib import Path

DIRECTORY = Path(os.environ["DATA_DIR"])

SECRET_KEY = "of the tests"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "tests.jottings",
    "workers",
]
SQLITE = "django.db.backends.sqlite3"
DATABASES = {
    "default": {"ENGINE": SQLITE, "NAME": DIRECTORY / "store.sqlite3"},
    "other": {"ENGINE": SQLITE, "NAME": DIRECTORY / "other.sqlite3"},
    "same": {"ENGINE": SQLITE, "NAME": DIRECTORY / "store.sqlite3"},
    "memory": {"ENGINE": SQLITE, "NAME": ":memory:"},
    "shared_memory": {"ENGINE": SQLITE, "NAME": "file:shared?mode=memory&cache=shared"},
    "read_only": {"ENGINE": SQLITE, "NAME": f"file:{DIRECTORY}/store.sqlite3?mode=ro"},
}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "database": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_table"},
}
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "tests.workers.store.lock.plain_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
LOGGING_CONFIG = None

WRITE_LOCK_WAIT_SECONDS = float(os.environ.get("WRITE_LOCK_WAIT_SECONDS", "20"))
WRITE_LOCK_HOLD_SECONDS = float(os.environ.get("WRITE_LOCK_HOLD_SECONDS", "15"))

# The disk is not what these tests are about.
WRITE_SYNCHRONOUS = "NORMAL"
