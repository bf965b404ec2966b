"""Errors of the write path as errors of the API: status, stable code, sentence, headers."""

from typing import Any

from rest_framework.exceptions import APIException

from workers import exceptions
from workers.writes import Outcome

RETRY_SECONDS = 1
"""What a refused client is told to wait at least."""


class ProblemError(APIException):
    """An error with its own status, code and headers; the project's exception handler gives it its shape."""

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
        case _:
            return ProblemError(500, "internal_error", "The server failed to handle the request.")


def problem_of_outcome(outcome: Outcome) -> ProblemError:
    """Return the API's error for a write that was rejected or failed."""
    body = outcome.json()
    return ProblemError(
        outcome.status,
        body["code"],
        body["detail"],
        fields=body.get("fields"),
        headers={"Write-Id": str(outcome.write_id)},
    )
