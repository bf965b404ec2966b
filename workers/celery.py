"""What makes a project's Celery app one whose workers can be the writer.

    app = Celery("project")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    prepare(app)

In `celery.py` of the project's package, or in the module that WRITE_CELERY_APP names: there a process that
has not imported it finds it. The writer's own code is named here and imported by workers only.
"""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection

from workers.stream import celery_app

WORKER = "workers.writer.worker"
BOOTSTEP = f"{WORKER}.bootsteps:WriterStep"


class PromptConnection(Connection):
    """Looks for a lost broker again at once, then every second; kombu's own pauses grow to 30 s."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(
            *args, **({"interval_start": 0.1, "interval_step": 0.2, "interval_max": 1} | kwargs)
        )


class PromptAMQP(AMQP):
    Connection = PromptConnection


def prepare(app: Celery) -> None:
    """Let workers of this app be the writer, unless they consume other queues, and writes be told to it.

    To be called once. Other apps of the project are left alone, and none needs to be Celery's default one.
    Raises ImproperlyConfigured for a second app.
    """
    celery_app.register(app)
    app.amqp_cls = f"{__name__}:{PromptAMQP.__name__}"
    app.steps["consumer"].add(BOOTSTEP)
    app.autodiscover_tasks([WORKER], related_name="bootsteps")
