"""The project's settings with one more app, tiny and made for the tests."""

from project.settings import *  # noqa: F403 - the tests run on the real settings
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.jottings"]
ROOT_URLCONF = "tests.urls"
