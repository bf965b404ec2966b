"""The form of log lines: text for people, JSON for programs. Both name the request and the write in hand.

A line says what it says as `name=value`. Only a template, which stands in the source, names a figure: a value
that came from a client, such as a path, stands in quotes where it could be read as one, or as another line.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from workers.in_hand import OF_REQUEST, in_hand

_CONVERSION = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa%]")
_FIGURE = re.compile(r"(?:^|\s)(write|state)=(\S+)")
"""What a template says of a state, and of whose."""

_PLACE = re.compile(r"\0(\d+)\0")
"""Stands in a template for the value that is filled in there, by its number."""

_READ_AMISS = re.compile(r"[=\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What could begin another figure, or another line."""

_ENDS_VALUE = re.compile(r'[\s"]|^$')
"""What no figure's value may have in it, unless it stands in quotes."""


class _Lines(logging.Formatter):
    def __init__(self, packages: Sequence[str] = ("workers",)) -> None:
        """`packages` are those whose loggers' templates name figures: not others', which may be made of what
        came from a client."""
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._packages = tuple(packages)

    def _message(self, record: logging.LogRecord) -> tuple[str, dict[str, str]]:
        """Return the message, and the figures that it names. Raises TypeError where the values do not fit."""
        # What is no text, such as an error, stands in no source, and may quote a client.
        if record.name.partition(".")[0] in self._packages and isinstance(record.msg, str):
            return _told(record)
        return _as_one(record.getMessage()), {}


class TextLines(_Lines):
    """A line such as `2026-11-28 10:00:00,000 ERROR logger message request=...`; what follows is indented."""

    def format(self, record: logging.LogRecord) -> str:
        # A traceback may quote a client too: no line of it may pass for a line of the log.
        return "\n  ".join(super().format(record).splitlines())

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message, figures = self._message(record)
        line = super().formatMessage(record)
        for name, value in _of_hand(record).items():
            if name not in figures:
                line += f" {name}={value}"
        return line


class JsonLines(_Lines):
    """A JSON object: time, level, logger, process, message; request, write, state, error and stack if any."""

    def format(self, record: logging.LogRecord) -> str:
        message, figures = self._message(record)
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": message,
            **_of_hand(record),
            **figures,
        }
        if record.exc_info:
            found["error"] = self.formatException(record.exc_info)
        elif record.exc_text:
            found["error"] = record.exc_text
        if record.stack_info:
            found["stack"] = self.formatStack(record.stack_info)
        return json.dumps(found)  # in ASCII: orjson refuses lone surrogates, and the line would be lost


def _told(record: logging.LogRecord) -> tuple[str, dict[str, str]]:
    """Return the message of a template that may name figures, and these."""
    text = record.getMessage()
    template, values, shown = record.msg.replace("\0", "\\0"), [], []
    if record.args:
        for raw, safe in _values(template, record.args):
            values.append(raw)
            shown.append(safe)
        numbers = count()
        template = _CONVERSION.sub(lambda _: f"\0{next(numbers)}\0", template)
    if _filled(template, values) != text:  # there is a conversion of another kind
        return _as_one(text), {}
    figures = {name: _filled(value, values) for name, value in _FIGURE.findall(template)}
    return _filled(template, shown), figures


def _values(template: str, args: Any) -> Iterator[tuple[str, str]]:
    """Yield the text of each conversion, as it is and as it may be shown."""
    positional = iter(() if isinstance(args, Mapping) else args)
    for found in _CONVERSION.finditer(template):
        if found[0].endswith("%"):
            yield "%", "%"
            continue
        value = args if isinstance(args, Mapping) else (next(positional, None),)
        raw = shown = found[0] % value
        is_figure = template[: found.start()].endswith("=")
        if is_figure and found[0] == "%r" and isinstance(value, tuple) and isinstance(value[0], str):
            shown = value[0]  # one sort of quotes is enough
        is_unfit = _READ_AMISS.search(shown) or (is_figure and _ENDS_VALUE.search(shown))
        yield raw, _in_quotes(shown) if is_unfit else shown


def _as_one(text: str) -> str:
    """Return it as it is, or in quotes where a figure or another line could be read in it."""
    return _in_quotes(text) if _READ_AMISS.search(text) else text


def _in_quotes(text: str) -> str:
    """Return it as a text of JSON, in which nobody who looks for `name=` finds anything."""
    return json.dumps(text).replace("=", "\\u003d")


def _filled(template: str, values: Sequence[str]) -> str:
    return _PLACE.sub(lambda found: values[int(found[1])], template) if values else template


def _of_hand(record: logging.LogRecord) -> dict[str, str]:
    """Return the names of the request and of the write that this thread or fiber is busy with."""
    # Django says of a request that it was refused when all middleware is through with it.
    hand = in_hand.get() or getattr(getattr(record, "request", None), "META", {}).get(OF_REQUEST)
    if hand is None:
        return {}
    names = {"write": str(hand.write_id) if hand.write_id else "", "request": hand.request_id}
    return {name: value for name, value in names.items() if value}
