"""The project's Celery app, for `celery -A workers.up.own_tasks`, in whatever module it stands."""

import django

from workers.stream import celery_app

django.setup()
app = celery_app.find()
