"""The project's settings with one more app: the tiny one that README.md shows."""

from project.settings import *  # noqa: F403 - the tests run on the real settings
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.notes"]
ROOT_URLCONF = "tests.urls"
