"""JSON from clients, exact and within bounds: what is read can also be stored and written."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from workers.conf import settings
from workers.encoding.exact_json import from_json
from workers.rest.errors import ProblemError

MAX_DEPTH = 100
"""Levels of lists and objects in a body. orjson reads 1,024 and writes 254, and Python ends at 1,000."""


class BoundedJSONParser(BaseParser):
    """Parses JSON (RFC 8259) of at most WRITE_MAX_BODY_BYTES and MAX_DEPTH levels; numbers are exact."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.WRITE_MAX_BODY_BYTES
        body = _read(stream, limit)
        if len(body) > limit:
            raise ProblemError(413, "body_too_large", f"The body is larger than {limit} bytes.")
        # To count the brackets takes no time, and nearly always tells.
        may_be_deep = _opening(body) > MAX_DEPTH
        try:
            return from_json(body, check=refuse_deep) if may_be_deep else from_json(body)
        except ValueError as exc:
            before = body[: getattr(exc, "pos", 0) + 1]
            if _opening(before) - before.count(b"]") - before.count(b"}") > MAX_DEPTH:
                raise _too_deep() from exc
            raise ParseError(f"The body is not JSON: {exc}.") from exc


def refuse_deep(data: Any) -> None:
    """Raise ParseError for lists and objects that stand in each other more often than MAX_DEPTH."""
    layer = [data] if type(data) in (dict, list) else []
    for _ in range(MAX_DEPTH):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in (dict, list)
        ]
        if not layer:
            return
    raise _too_deep()


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _opening(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _read(stream: Any, limit: int) -> bytes:
    """Read one byte more than allowed at most, so that a huge body costs no memory."""
    body: bytes = stream.read(limit + 1)
    return body
