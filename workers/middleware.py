"""Lets the store lock know which request writes, and responds with 503 where the lock could not be had.

The installed app puts it outside of all other middleware; a project that names it decides on its place.
"""

import sys
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from workers.exceptions import StoreBusy, TransactionTimedOut
from workers.store.lock.purpose import met_busy, request_in_hand

NAME = f"{__name__}.store_lock"

RETRY_AFTER_SECONDS = 2

BODY = "The store is busy, and nothing was written. Try again in a few seconds.\n"
"""Without the error's text, which names somebody else's request: a path may be a secret."""

_UNCAUGHT = "_store_busy_uncaught"


@sync_and_async_middleware
def store_lock(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Wrap the whole application."""
    if iscoroutinefunction(get_response):

        async def wait_for(request: HttpRequest) -> Any:
            token = request_in_hand.set(request)
            try:
                response = await get_response(request)
            finally:
                request_in_hand.reset(token)
            return _judged(request, response)

        return wait_for

    def serve(request: HttpRequest) -> Any:
        token = request_in_hand.set(request)
        try:
            response = get_response(request)
        finally:
            request_in_hand.reset(token)
        return _judged(request, response)

    return serve


def _judged(request: HttpRequest, response: Any) -> Any:
    if not _is_of_busy_store(request, response):
        return response
    return HttpResponse(
        BODY,
        status=503,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _is_of_busy_store(request: HttpRequest, response: Any) -> bool:
    if response.status_code == 500:
        return _UNCAUGHT in vars(request)
    # Django's sessions take any error of the database for a session that was deleted: 400. It marks what it
    # made of an exception, so that it is not logged twice.
    is_of_exception = getattr(response, "_has_been_logged", False)
    return response.status_code == 400 and is_of_exception and met_busy(request) is not None


def _note(request: HttpRequest | None = None, **_: object) -> None:
    """Remember what nobody caught; Django makes a 500 of it. Receives `got_request_exception`."""
    exc = sys.exc_info()[1]
    if request is not None and isinstance(exc, StoreBusy | TransactionTimedOut):
        vars(request)[_UNCAUGHT] = True


def install() -> None:
    """Put the middleware outside of all others, unless the project names it. Called when apps are ready."""
    got_request_exception.connect(_note, dispatch_uid=f"{__name__}._note")
    if NAME not in settings.MIDDLEWARE:
        settings.MIDDLEWARE = [NAME, *settings.MIDDLEWARE]
