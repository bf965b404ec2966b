"""The project's settings with two more apps, tiny and made for the tests."""

from project.settings import *  # noqa: F403 - the tests run on the real settings
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.jottings", "tests.notebooks"]
ROOT_URLCONF = "tests.urls"
