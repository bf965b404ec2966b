"""`@queued`: a view, or a method of one, that runs in the writer. See docs/queued.md.

The process that has the request hands it over as it came. The writer serves it once more, by the project's
whole application, in the savepoint of the write; the response goes back with the outcome.
"""

import base64
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from io import BytesIO
from typing import Any

from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest, HttpResponse

from workers.conf import settings
from workers.exceptions import WritePathError
from workers.registry import write_function
from workers.rest import headers
from workers.rest.errors import ProblemError, completed, problem_of
from workers.rest.handing_over import hand_over
from workers.rest.responses import principal_of, raise_unless_committed, status_url
from workers.store import errors
from workers.submission import idempotency
from workers.writes import Outcome, Result, Write

FUNCTION = "workers.request"

HANDED_OVER = "runs_in_writer"
"""Attribute of what is `@queued`, and of what is wrapped around it as `functools.wraps` does."""

PAGE_MAX_BYTES = 1_048_576
"""Largest response: it passes Redis at once, with those of its whole batch."""

KEPT_MAX_BYTES = 16_384
"""Largest response of JSON that is kept with the receipt, for repeats; pages are not."""

NOT_KEPT = "This request was applied before. Its page was not kept: load what it changed.\n"

REDIRECTS = {301, 302, 303, 307, 308}

# Not all of it: under some servers the environment of the process is in it, with its secrets.
_ENVIRON = (
    "HTTP_",
    "CONTENT_",
    "REQUEST_METHOD",
    "PATH_INFO",
    "SCRIPT_NAME",
    "QUERY_STRING",
    "SERVER_",
    "REMOTE_",
)

_is_in_writer: ContextVar[bool] = ContextVar("is_in_writer", default=False)


class _Redirect(HttpResponse):
    """What tells where it leads, as a view's own redirect does: middleware and Django's test client ask."""

    url = property(lambda self: self["Location"])


class RequestFailed(WritePathError):
    """The view responded with 5xx, so nothing of it is kept."""


def queued(view: Callable[..., Any]) -> Callable[..., Any]:
    """Have the writer run this view, or this method of a class-based view or of a viewset."""

    @wraps(view)
    def serve(*args: Any, **kwargs: Any) -> Any:
        if _is_in_writer.get():
            return view(*args, **kwargs)
        # After the view itself, where this is a method. DRF's request has Django's inside.
        given = next(one for one in args[:2] if isinstance(one, HttpRequest) or hasattr(one, "_request"))
        try:
            return _response(getattr(given, "_request", given), principal_of(given))
        except ProblemError as exc:
            if not isinstance(given, HttpRequest):
                return completed(given.parser_context["view"].handle_exception(exc), exc)
            text = f"{exc}\n"
            return HttpResponse(text, status=exc.status_code, headers=exc.headers, content_type="text/plain")

    vars(serve)[HANDED_OVER] = True
    return serve


def _response(request: HttpRequest, principal: str) -> HttpResponse:
    """Hand the request over, wait as the client prefers, and respond. Raises ProblemError."""
    preferences = headers.prefer(request)
    if len(request.body) > settings.WRITE_MAX_BODY_BYTES:
        detail = f"A request may have {settings.WRITE_MAX_BODY_BYTES} bytes at most."
        raise ProblemError(413, "body_too_large", detail)
    outcome, write_id = _handed_over(request, principal, preferences)
    if outcome is not None:
        response = _settled(request, outcome)
    else:
        url = status_url(write_id)
        extra = {"Retry-After": "1"} | ({"Location": url} if url else {})
        response = HttpResponse("Accepted.\n", status=202, content_type="text/plain", headers=extra)
    response["Write-Id"] = str(write_id)
    return response


def _handed_over(
    request: HttpRequest, principal: str, preferences: headers.Prefer
) -> tuple[Outcome | None, int]:
    body = base64.b64encode(request.body).decode()
    key = headers.idempotency_key(request)
    what = [request.method, request.get_full_path(), body]
    once = idempotency.from_key(key, principal=principal, request=what) if key else None
    environ = {
        name: one for name, one in request.META.items() if isinstance(one, str) and name.startswith(_ENVIRON)
    }
    arguments = {"environ": environ, "scheme": request.scheme, "body": body}
    try:
        return hand_over(
            FUNCTION,
            lambda: arguments,
            principal=principal,
            once=once,
            preferences=preferences,
            size=len(request.body),
        )
    except WritePathError as exc:
        raise problem_of(exc) from exc


def _settled(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """Return the response that the view made in the writer. Raises ProblemError when it made none."""
    raise_unless_committed(outcome)
    told = outcome.json()
    page = outcome.page or (told["kept"] or "").encode()
    is_lost = told["bytes"] > 0 and not page
    made = _Redirect if told["status"] in REDIRECTS else HttpResponse
    response = made(NOT_KEPT if is_lost else page, status=told["status"], content_type="text/plain")
    for name, value in told["headers"]:
        if not (is_lost and name.lower().startswith("content-")):
            response[name] = value
    for cookie in told["cookies"]:
        response.cookies.load(cookie)
    if (session := response.cookies.get(django_settings.SESSION_COOKIE_NAME)) and session.value:
        # Else the middleware of this process would delete the cookie, in place of one that was out of date.
        request.session = type(request.session)(session.value)
    return response


@cache
def _application(middleware: tuple[str, ...]) -> WSGIHandler:
    """Return the project's application with this middleware, which tests may change."""
    return WSGIHandler()


@write_function(FUNCTION)
def serve_again(write: Write) -> Result:
    """Serve the request of this write in its savepoint.

    Raises RequestFailed for 5xx, and for a response that cannot be handed back.
    """
    body = base64.b64decode(write.arguments["body"])
    environ = dict(write.arguments["environ"]) | {
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": write.arguments["scheme"],
        "CONTENT_LENGTH": str(len(body)),
    }
    request: Any = WSGIRequest(environ)
    request._dont_enforce_csrf_checks = True  # it was checked where it came in
    with _durable_blocks_allowed(), _noted_exceptions() as raised:
        response = _application(tuple(django_settings.MIDDLEWARE)).get_response(request)
    if raised:
        errors.raise_if_transient(raised[-1])
    if response.status_code >= 500:
        raise RequestFailed from (raised[-1] if raised else None)
    return _result(response)


def _result(response: Any) -> Result:
    if response.streaming:
        response.close()
        raise RequestFailed("The view streams its response, which cannot be handed back: nothing is kept.")
    page: bytes = response.content
    if len(page) > PAGE_MAX_BYTES:
        raise RequestFailed(
            f"The response has {len(page)} bytes, and may have {PAGE_MAX_BYTES}: nothing is kept."
        )
    is_kept = len(page) <= KEPT_MAX_BYTES and response.get("Content-Type", "").startswith("application/json")
    told = {
        "status": response.status_code,
        "headers": list(response.items()),
        "cookies": [cookie.OutputString() for cookie in response.cookies.values()],
        "bytes": len(page),
        "kept": page.decode() if is_kept else None,
    }
    return Result(body=told, page=b"" if is_kept else page)


@contextmanager
def _durable_blocks_allowed() -> Iterator[None]:
    """Let durable blocks of the view be savepoints, as Django's TestCase does it: the batch is durable."""
    savepoint: Any = connection.atomic_blocks[-1]
    token = _is_in_writer.set(True)
    savepoint._from_testcase = True
    try:
        yield
    finally:
        savepoint._from_testcase = False
        _is_in_writer.reset(token)


@contextmanager
def _noted_exceptions() -> Iterator[list[BaseException]]:
    """Give what the view raised, of which Django makes a response of 500."""
    raised: list[BaseException] = []

    def note(**_: Any) -> None:
        if (exc := sys.exception()) is not None:
            raised.append(exc)

    got_request_exception.connect(note)
    try:
        yield raised
    finally:
        got_request_exception.disconnect(note)
