"""The form of log lines: text for people, JSON for programs. Both name the request and the write in hand."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from workers.in_hand import in_hand

_FIGURES = re.compile(r"(?:^|\s)(write|state|request)=(\S+)")
"""What a message of this project says of a state, and of whose."""


class TextLines(logging.Formatter):
    """A line such as `2026-11-28 10:00:00,000 ERROR logger message request=...`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line = super().formatMessage(record)
        for name, value in _of_hand().items():
            if f"{name}=" not in record.message:
                line += f" {name}={value}"
        return line


class JsonLines(logging.Formatter):
    """A JSON object: time (UTC), level, logger, process, message; request, write, state and error if any."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": message,
            **_of_hand(),
            **dict(_FIGURES.findall(message)),
        }
        if record.exc_info:
            found["error"] = self.formatException(record.exc_info)
        elif record.exc_text:
            found["error"] = record.exc_text
        return json.dumps(found)  # in ASCII: orjson refuses lone surrogates, and the line would be lost


def _of_hand() -> dict[str, str]:
    """Return the names of the request and of the write that this thread or fiber is busy with."""
    hand = in_hand.get()
    if hand is None:
        return {}
    names = {"write": str(hand.write_id) if hand.write_id else "", "request": hand.request_id}
    return {name: value for name, value in names.items() if value}
