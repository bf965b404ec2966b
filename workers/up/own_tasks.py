"""The project's Celery app, for `celery -A workers.up.own_tasks`.

It is found as `manage.py writer` finds it: it is the current app once Django is set up, in whatever module it
stands and whatever its name is.
"""

import django
from celery.app import app_or_default

django.setup()
app = app_or_default()
