"""How many requests may come with one token and from one address, counted in Redis for all processes.

Each has an allowance, which grows back evenly: no burst of twice the limit at the edge of a window. It is one
round trip; DRF's own throttle makes two, keeps a list of moments, and lets two at once take the last place.

Without Redis all pass: reads need none, and writes are refused without it anyway.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle

from project.accounts import attempts
from project.api import exception_handler, pages
from project.environment import Rate

logger = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_suffix(".lua").read_text()
UNASKED_SECONDS = 5.0
"""For how long a Redis that did not reply is left alone: each request would wait for it."""
UNLIMITED = "/health/"

_unasked_until = 0.0


class Verdict(NamedTuple):
    """What became of one request's wish for a place."""

    is_allowed: bool
    headers: dict[str, str]
    """For the response (draft-ietf-httpapi-ratelimit-headers)."""
    wait_seconds: int
    """Until the next one is allowed."""


def taken(name: str, rate: Rate, who: str) -> Verdict | None:
    """Take a request from the allowance of `who`; None when it cannot be counted."""
    global _unasked_until
    if time.monotonic() < _unasked_until:
        return None
    microseconds = rate.seconds * 1_000_000
    digest = hashlib.blake2b(who.encode(errors="replace"), digest_size=16).hexdigest()
    shared: Any = cache
    try:
        is_allowed, left, wait, whole = shared.run_script(
            SCRIPT, f"rate:{name}:{digest}", max(1, microseconds // rate.requests), microseconds
        )
    except RedisError as exc:
        _unasked_until = time.monotonic() + UNASKED_SECONDS
        logger.warning("rate state=not-counted for_seconds=%s error=%s", UNASKED_SECONDS, exc)
        return None
    headers = {
        "RateLimit-Policy": f'"{name}";q={rate.requests};w={rate.seconds}',
        "RateLimit": f'"{name}";r={left};t={math.ceil((wait or whole) / 1_000_000)}',
    }
    return Verdict(bool(is_allowed), headers, math.ceil(wait / 1_000_000))


class TokenRate(BaseThrottle):
    """RATE_LIMIT_PER_TOKEN, for each token; a session counts for its user."""

    def allow_request(self, request: Any, view: Any) -> bool:
        rate = settings.RATE_LIMIT_PER_TOKEN
        if rate is None or not request.user.is_authenticated:
            return True
        who = f"user {request.user.pk}" if request.auth is None else str(getattr(request.auth, "pk", ""))
        verdict = taken("token", rate, who)
        if verdict is None:
            return True
        view.headers.update(verdict.headers)
        self._wait_seconds = verdict.wait_seconds
        return verdict.is_allowed

    def wait(self) -> float:
        return self._wait_seconds


class AddressRate:
    """RATE_LIMIT_PER_ADDRESS, for each address. A middleware.

    DRF's throttles are asked after it is known who asks, so they would count no guess at a token.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        rate = settings.RATE_LIMIT_PER_ADDRESS
        if rate is None or request.path_info.startswith(UNLIMITED):
            return self._get_response(request)
        verdict = taken("address", rate, attempts.address_of(request))
        if verdict is None:
            return self._get_response(request)
        if verdict.is_allowed:
            response = self._get_response(request)
        else:
            detail = f"Too many requests from this address. Try again in {verdict.wait_seconds} seconds."
            headers = {"Retry-After": str(verdict.wait_seconds)}
            problem = exception_handler.problem(429, exception_handler.CODES[429], detail, headers=headers)
            response = pages.shown(request, problem)
        for field, value in verdict.headers.items():
            # Those of the token, where it has a limit too, stand there already.
            response[field] = f"{response[field]}, {value}" if response.has_header(field) else value
        return response
