"""Wiring and deployment. Importing the Celery app here makes it the current one in every process."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
