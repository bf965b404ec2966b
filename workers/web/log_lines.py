"""Keeps what clients cause from filling the log: one short line for each refused request, no traceback.

And what an outage causes: of the requests that get 503 one line a minute, which counts them.
"""

import logging
import time
from http import HTTPStatus
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger

from workers.logs import JsonLines

MAX_LENGTH = 300
"""Characters of a line about a refused request: a path alone may have 4,094."""


UNAVAILABLE_SECONDS = 60.0
"""Pause between two lines about requests that got 503. What is not available is said where it is noticed."""


class ShortRefusals(logging.Filter):
    """Shortens the lines about requests that were refused; those about errors of the server stay whole."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._said_at = float("-inf")
        self._unsaid = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_unavailable(record) and not self._is_due(record):
            return False
        if _is_refusal(record):
            record.exc_info = record.exc_text = record.stack_info = None
            text = record.getMessage().encode("unicode_escape").decode("ascii")
            record.msg = text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."
            record.args = None
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True

    def _is_due(self, record: logging.LogRecord) -> bool:
        """Return whether to say it; if so, with how many were not said since the last time."""
        now = time.monotonic()
        if now - self._said_at < UNAVAILABLE_SECONDS:
            self._unsaid += 1
            return False
        if self._unsaid and not hasattr(record, "unsaid"):  # another handler may have passed it on already
            record.unsaid = self._unsaid
            record.msg = f"{record.getMessage()} (and {self._unsaid} more since the last such line)"
            record.args = None
        self._said_at, self._unsaid = now, 0
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _is_unavailable(record: logging.LogRecord) -> bool:
    """Return whether it is about a request that got 503: it may come again."""
    return (
        record.name == "django.request"
        and getattr(record, "status_code", None) == HTTPStatus.SERVICE_UNAVAILABLE
    )


def _is_refusal(record: logging.LogRecord) -> bool:
    if record.name.startswith("django.security"):
        return True
    if record.name == "django.request":
        return getattr(record, "status_code", 500) < 500
    return record.name == "gunicorn.error" and record.levelno == logging.WARNING


class GunicornLogger(Logger):
    """gunicorn's own, whose handlers Django's LOGGING does not reach."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if getattr(settings, "LOG_FORMAT", "text") == "json":
            for handler in self.error_log.handlers:
                handler.setFormatter(JsonLines())
        self.error_log.addFilter(ShortRefusals())
