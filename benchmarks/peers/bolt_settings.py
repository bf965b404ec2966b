"""The peers' settings, and django-bolt with its one API."""

from benchmarks.peers.settings import *  # noqa: F403 - what is not changed here is to be the same
from benchmarks.peers.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_bolt"]
BOLT_API = ["benchmarks.peers.bolt:api"]
