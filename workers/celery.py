"""What makes a project's Celery app one whose workers can be the writer.

    app = Celery("project")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    prepare(app)

In `celery.py` of the project's package, or in the module that WRITE_CELERY_APP names: there a process that
has not imported it finds it. The writer's own code is named here and imported by workers only.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection

from workers.conf import settings
from workers.redis_address import parse
from workers.sd_notify import notifier
from workers.service_settings import place
from workers.stream import celery_app
from workers.stream.redis_pools import broker_options

logger = logging.getLogger(__name__)

WORKER = "workers.writer.worker"
BOOTSTEP = f"{WORKER}.bootsteps:WriterStep"


class PromptConnection(Connection):
    """Looks for a lost broker again at once, then every second; kombu's own pauses grow to 30 s.

    Says once that it is away and once that it is back. Celery would say the former at each attempt, so what
    it says is left out: workers/writer/worker/bootsteps.py.
    """

    def ensure_connection(self, errback: Any = None, *args: Any, **kwargs: Any) -> Any:
        callback: Callable[[], object] = kwargs.pop("callback", None) or (lambda: None)
        attempts = 0

        def on_attempt() -> None:
            notifier.progress()  # to look for the broker is what a worker without one has to do
            callback()

        def on_error(exc: Exception, interval: float) -> None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                logger.warning("broker state=away address=%s error=%s", self.as_uri(), exc)
            if errback is not None:
                errback(exc, interval)

        pauses = {"interval_start": 0.1, "interval_step": 0.2, "interval_max": 1}
        told = {"callback": on_attempt}
        connection = super().ensure_connection(on_error, *args, **(pauses | kwargs | told))
        if attempts:
            logger.warning("broker state=back attempts=%s", attempts)
        return connection


class PromptAMQP(AMQP):
    Connection = PromptConnection


def prepare(app: Celery) -> Celery:
    """Let workers of this app be the writer, unless they consume other queues, and writes be told to it.

    To be called once; returns the app. Other apps of the project are left alone, and none needs to be
    Celery's default one. Raises ImproperlyConfigured for a second app.
    """
    celery_app.register(app)
    app.add_defaults(_defaults)
    app.amqp_cls = f"{__name__}:{PromptAMQP.__name__}"
    app.steps["consumer"].add(BOOTSTEP)
    app.autodiscover_tasks([WORKER], related_name="bootsteps")
    return app


def _defaults() -> dict[str, Any]:
    """Return what holds unless the project's own Celery settings say otherwise: the writer's Redis as broker.

    Nothing here is for tasks of the project's own, which may have a broker, queues and a pool as they like.
    """
    address = parse(place.REDIS_URL)
    # Of web processes, for which no ring is worth a long wait; bootsteps.py gives the worker more.
    limits = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
    return {
        "broker_url": address.broker_url,
        "broker_transport_options": {
            "global_keyprefix": f"{settings.WRITE_KEY_PREFIX}:celery:",
            **limits,
            "max_retries": 0,
            **broker_options(address, **limits),
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
    }
