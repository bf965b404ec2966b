"""What `prepare` gives a Celery app, as far as it can be seen without a worker."""

import kombu.utils.functional
import pytest
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import OperationalError

from workers.celery import prepare
from workers.stream import celery_app


def test_a_lost_broker_is_looked_for_at_once_and_then_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kombu.utils.functional, "sleep", lambda seconds: None)
    monkeypatch.setattr(celery_app, "_prepared", None)  # that of this project
    app = Celery("lost", broker="redis+socket:///nowhere/redis.sock", set_as_current=False)
    prepare(app)
    pauses: list[float] = []

    with pytest.raises(OperationalError):
        app.connection_for_read().ensure_connection(lambda exc, pause: pauses.append(pause), max_retries=9)

    assert pauses == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9, 1, 1, 1, 1])


def test_a_second_app_cannot_be_prepared_because_there_is_one_writer() -> None:
    celery_app.find()  # this project's own

    with pytest.raises(ImproperlyConfigured, match="'project' and 'second'"):
        prepare(Celery("second", set_as_current=False))
