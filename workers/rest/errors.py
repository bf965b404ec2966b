"""Errors of the write path as errors of the API: status, stable code, sentence, headers."""

import logging
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.response import Response

from workers import exceptions
from workers.rest.bases import ViewBase
from workers.writes import Outcome

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1
"""What a refused client is told to wait at least."""


class ProblemError(APIException):
    """An error with its own status, code and headers.

    The project's exception handler gives it its shape, by `code`, `detail` and `fields`; DRF's own knows the
    detail alone, and `completed` adds the rest.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        fields: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.code = code
        self.fields = fields
        self.headers = headers or {}


class ProblemsMixin(ViewBase):
    """A view whose errors are told whole, whatever exception handler the project has."""

    def handle_exception(self, exc: Exception) -> Response:
        return completed(super().handle_exception(exc), exc)


def completed(response: Response, exc: Exception) -> Response:
    """Add what the exception handler has left out of the response to an error: headers, and what DRF's own
    does not know of.

    Messages by field are the body then, as DRF has them where the web process finds them.
    """
    if not isinstance(exc, ProblemError):
        return response
    for name, value in exc.headers.items():
        response.headers.setdefault(name, value)
    if response.data == {"detail": exc.detail}:
        if exc.fields and exc.status_code == 400:
            response.data = exc.fields
        else:
            response.data |= {"code": exc.code} | ({"fields": exc.fields} if exc.fields else {})
    return response


def problem_of(exc: exceptions.WritePathError) -> ProblemError:
    """Return the API's error for an error that `submit` raised."""
    retry = {"Retry-After": str(RETRY_SECONDS)}
    match exc:
        case exceptions.KeyReused():
            return ProblemError(422, "idempotency_key_reused", str(exc))
        case exceptions.KeyInProgress():
            headers = retry | {"Write-Id": str(exc.write_id)}
            return ProblemError(409, "idempotency_key_in_progress", str(exc), headers=headers)
        case exceptions.StreamFull():
            return ProblemError(503, "stream_full", str(exc), headers=retry)
        case exceptions.TooManyWaiting():
            return ProblemError(503, "too_many_waiting", str(exc), headers=retry)
        case exceptions.StreamOfAnotherStore():
            return ProblemError(503, "stream_of_another_store", str(exc), headers=retry)
        case exceptions.StoreNotReady() | exceptions.WrongStore():
            return ProblemError(503, "store_unavailable", "The store cannot be read now.", headers=retry)
        case exceptions.QueueUnavailable():
            return ProblemError(503, "queue_unavailable", str(exc), headers=retry)
        case exceptions.AcceptanceUnknown():
            return ProblemError(503, "acceptance_unknown", str(exc), headers=retry)
        case exceptions.UnfitArgument():
            place = exc.place.removeprefix("data.")
            return ProblemError(400, "invalid", "The request is not valid.", fields={place: [_sentence(exc)]})
    logger.error("submit state=%s error=%s", type(exc).__name__, exc, exc_info=exc)
    match exc:
        case exceptions.FileArgument():
            detail = f"Files cannot be written here: {exc.place.removeprefix('data.')}."
            return ProblemError(415, "unsupported_media_type", detail)
        case exceptions.UnsupportedArgument():
            detail = "The server cannot hand this write over. Nothing was accepted."
            return ProblemError(500, "unsupported_argument", detail)
        case exceptions.UnknownWriteFunction():
            detail = "The server does not know how to apply this write. Nothing was accepted."
            return ProblemError(500, "unknown_write_function", detail)
    return ProblemError(500, "internal_error", "The server failed to handle the request.")


def _sentence(exc: exceptions.UnfitArgument) -> str:
    return f"{exc.what[:1].upper()}{exc.what[1:]} cannot be kept exactly."


def problem_of_outcome(outcome: Outcome) -> ProblemError:
    """Return the API's error for a write that was rejected or failed."""
    body = outcome.json()
    return ProblemError(
        outcome.http_status,
        body["code"],
        body["detail"],
        fields=body.get("fields"),
        headers={"Write-Id": str(outcome.write_id)},
    )
