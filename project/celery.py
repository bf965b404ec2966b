"""The Celery app. Its worker is the writer: `manage.py writer`."""

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning

from workers.celery import prepare

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# About pickle, which this worker does not take: it reads JSON alone. As root, as in containers and on
# small machines, it would be five lines at each start of each worker.
warnings.filterwarnings("ignore", "You're running the worker with superuser", SecurityWarning)

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
prepare(app)
