"""The Celery app. Its worker is the writer: `celery -A project worker --pool solo --concurrency 1`."""

import os

from celery import Celery

from workers.bootsteps import PromptAMQP, make_writer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project", amqp=PromptAMQP)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
make_writer(app)
