"""What `prepare` gives a Celery app, as far as it can be seen without a worker."""

import kombu.utils.functional
import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from workers.celery import prepare


def test_a_lost_broker_is_looked_for_at_once_and_then_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kombu.utils.functional, "sleep", lambda seconds: None)
    app = Celery("lost", broker="redis+socket:///nowhere/redis.sock", set_as_current=False)
    prepare(app)
    pauses: list[float] = []

    with pytest.raises(OperationalError):
        app.connection_for_read().ensure_connection(lambda exc, pause: pauses.append(pause), max_retries=9)

    assert pauses == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9, 1, 1, 1, 1])
