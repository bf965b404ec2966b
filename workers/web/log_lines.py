"""Keeps what clients cause from filling the log: one short line for each refused request, no traceback."""

import logging
from typing import Any

from gunicorn.glogging import Logger

MAX_LENGTH = 300
"""Characters of a line about a refused request: a path alone may have 4,094."""


class ShortRefusals(logging.Filter):
    """Shortens the lines about requests that were refused; those about errors of the server stay whole."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_refusal(record):
            record.exc_info = record.exc_text = record.stack_info = None
            text = record.getMessage().encode("unicode_escape").decode("ascii")
            record.msg = text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."
            record.args = None
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


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
        self.error_log.addFilter(ShortRefusals())
