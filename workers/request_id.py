"""A middleware: gives each request an id, by which its log lines and those of its write are found.

A client, or a proxy, may name it: `X-Request-ID`. The response says it in the same header.
"""

import itertools
import os
import re
import secrets
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from workers.conf import settings
from workers.in_hand import OF_REQUEST, Request, in_hand

HEADER = "X-Request-ID"

_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""What may be written to a log as it came. Anything else is replaced by an id of our own, not refused."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@sync_and_async_middleware
def request_id(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Name each request. To be put before all middleware that logs."""
    if iscoroutinefunction(get_response):

        async def wait_for(request: HttpRequest) -> Any:
            named = _named(request)
            token = in_hand.set(named)
            try:
                response = await get_response(request)
            finally:
                in_hand.reset(token)
            response.headers[HEADER] = named.request_id
            return response

        return wait_for

    def serve(request: HttpRequest) -> Any:
        named = _named(request)
        token = in_hand.set(named)
        try:
            response = get_response(request)
        finally:
            in_hand.reset(token)
        response.headers[HEADER] = named.request_id
        return response

    return serve


_prefix = ""
_numbers = itertools.count(1)


def _begin() -> None:
    global _prefix  # of one process, and of a child of it another one
    _prefix = secrets.token_hex(6)


_begin()
os.register_at_fork(after_in_child=_begin)


def _named(request: HttpRequest) -> Request:
    meta = request.META
    given = meta.get("HTTP_X_REQUEST_ID")
    # Counted, as to draw lots for each request would take longer than all the rest of this.
    name = given if given and _ID.fullmatch(given) else f"{_prefix}-{next(_numbers)}"
    traceparent = meta.get("HTTP_TRACEPARENT", "") if settings.WRITE_TRACE_CONTEXT else ""
    named = meta[OF_REQUEST] = Request(name, traceparent if _TRACEPARENT.fullmatch(traceparent) else "")
    return named
