"""The web process's entry point, for gunicorn."""

import os

import django

from workers import Role, set_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
set_role(Role.WEB)
django.setup(set_prefix=False)

from project.api.handlers import Application  # noqa: E402 - needs the settings

application = Application()
