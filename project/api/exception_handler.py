"""The one shape of every error, of every endpoint: problem details (RFC 9457) with a stable `code`.

    {"type": "about:blank", "title": "Conflict", "status": 409, "code": "conflict", "detail": "…"}

and for bad input `"fields": {"name": ["…"]}`.
"""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from workers import (
    RoleMayNotWrite,
    StoreBusy,
    TransactionTimedOut,
    WriteOutsideWriter,
    is_cut_off,
    is_request_error,
    is_store_error,
)
from workers.rest import messages_by_field

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    411: "length_required",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "throttled",
    500: "internal_error",
    503: "unavailable",
}


def problem(
    status: int, code: str, detail: str, *, fields: Any = None, headers: dict[str, str] | None = None
) -> Response:
    """Return an error in the one shape."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if fields:
        body["fields"] = fields
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Turn any exception of a view into a response. DRF's `EXCEPTION_HANDLER`."""
    set_rollback()  # for ATOMIC_REQUESTS: a response commits, unless somebody says that it is of an error
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if not isinstance(exc, exceptions.APIException):
        return _unexpected(exc, context)
    return _expected(exc)


def _expected(exc: exceptions.APIException) -> Response:
    headers = dict(getattr(exc, "headers", {}))
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]  # set by APIView
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(exc.wait)  # type: ignore[attr-defined]  # of Throttled
    if isinstance(exc, exceptions.ValidationError):
        return problem(
            400, "invalid", "The request is not valid.", fields=messages_by_field(exc.detail), headers=headers
        )
    return problem(
        exc.status_code, _code(exc), str(exc.detail), fields=getattr(exc, "fields", None), headers=headers
    )


def _unexpected(exc: Exception, context: dict[str, Any]) -> Response:
    request = context.get("request")
    asked = getattr(request, "method", "-"), getattr(request, "path", "-")
    if is_cut_off(exc):
        logger.warning("request method=%s path=%s state=read-timed-out", *asked)
    elif isinstance(exc, StoreBusy):
        logger.warning("request method=%s path=%s state=store-busy error=%s", *asked, exc)
    elif not is_request_error(exc):
        logger.error("request method=%s path=%s", *asked, exc_info=exc)
    return response_to(exc)


def response_to(exc: BaseException | None) -> Response:
    """Return an error that says who caused it: the request, the store or the server."""
    match exc:
        case exceptions.APIException():  # of a middleware, which is outside of DRF's views
            return _expected(exc)
        case RoleMayNotWrite():
            # Not its own words, which name tables.
            detail = (
                "This host may only read the store, and nothing was changed. "
                "Do it on a host whose DATABASE_URL names a role that may write."
            )
            return problem(403, "role_may_not_write", detail)
        case WriteOutsideWriter():
            detail = "The server tried to write outside its writer. Nothing was changed."
            return problem(500, "write_outside_writer", detail)
        case StoreBusy():
            # Not its own words, which name somebody else's request.
            detail = "The store is busy, and nothing was written. Try again in a few seconds."
            return problem(503, "store_busy", detail, headers={"Retry-After": "2"})
        case TransactionTimedOut():
            detail = "This took too long, so it was undone, and nothing was written. Change less at once."
            return problem(503, "transaction_timed_out", detail, headers={"Retry-After": "5"})
        case Exception() if is_cut_off(exc):
            detail = "To read this takes too long. Ask for less: fewer words, or a narrower filter."
            return problem(503, "read_timed_out", detail, headers={"Retry-After": "5"})
        case Exception() if is_request_error(exc):
            detail = (
                "The store cannot look for that: a value is out of range or malformed, or there are too many."
            )
            return problem(400, "invalid", detail)
        case Exception() if is_store_error(exc):
            detail = "The store cannot be read now."
            return problem(503, "store_unavailable", detail, headers={"Retry-After": "1"})
        case _:
            return problem(500, CODES[500], "The server failed to handle the request.")


def _code(exc: exceptions.APIException) -> str:
    code = getattr(exc, "code", None) or exc.get_codes()
    return code if isinstance(code, str) else CODES.get(exc.status_code, "error")
