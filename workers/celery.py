"""What makes a project's Celery app one whose workers can be the writer.

    app = Celery("project")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    prepare(app)

The writer's own code is named here and imported by workers only: a web process never needs it.
"""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection

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
    """Let workers of this app be the writer, unless they consume other queues. To be called once."""
    app.amqp_cls = f"{__name__}:{PromptAMQP.__name__}"
    app.steps["consumer"].add(BOOTSTEP)
    app.autodiscover_tasks([WORKER], related_name="bootsteps")
