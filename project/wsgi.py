"""The web process's entry point, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from workers import Role, set_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
set_role(Role.WEB)
application = get_wsgi_application()
