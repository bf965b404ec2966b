"""One Celery task and one commit per write, by one worker; the request waits for the task's result."""

import os

from celery import Celery
from django.conf import settings

from workers.up import parse_redis_url

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.peers.settings")


def make_app(name: str) -> Celery:
    """Return an app whose broker and result backend are the Redis of the data directory."""
    app = Celery(name)
    app.conf.update(
        broker_url=parse_redis_url(settings.REDIS_URL).broker_url,
        result_backend=settings.REDIS_URL.replace("unix://", "redis+socket://", 1),
        broker_connection_retry_on_startup=True,
        broker_pool_limit=64,
        task_acks_late=True,
        result_expires=60,
        worker_prefetch_multiplier=4,
        worker_hijack_root_logger=False,
    )
    return app


app = make_app("peer")


@app.task(name="items.create")
def create_item(data: dict[str, str]) -> dict[str, object]:
    """Create an item in a transaction of its own."""
    from django.utils import timezone

    from items.models import Item

    now = timezone.now()
    return Item.objects.create(created_at=now, updated_at=now, **data).representation()


@app.task(name="nothing")
def nothing() -> None:
    """Do nothing: a bare round trip."""
