"""The outcomes of writes, made from what their functions return or raise."""

import logging
import traceback
from collections.abc import Iterable
from http import HTTPStatus

from workers import rejections
from workers.conf import settings
from workers.exceptions import UnknownWriteFunction, WriteRejected
from workers.in_hand import in_hand
from workers.writes import Outcome, Result, Write, WriteStatus, encode_error, encode_result, writable

logger = logging.getLogger(__name__)

HTTP_CREATED = HTTPStatus.CREATED.value  # a plain number: this is compared for each write

STATES = {
    "unknown_write_function": "unknown-function",
    "write_killed_writer": "set-aside",
    "write_timed_out": "timed-out",
}
"""How the log calls a failed write, by code."""


def committed(write: Write, result: Result) -> Outcome:
    """Return the outcome of a write that was applied. Raises TypeError for what is no result, or not JSON.

    To be called inside the savepoint: such a result undoes its write.
    """
    if not isinstance(result, Result):
        raise TypeError(
            f"{write.function} returned a value of the type {type(result).__name__}, not a Result."
        )
    body, key = result.body, result.key
    # By custom the body of what was created has its primary key.
    if key is None and result.http_status == HTTP_CREATED and isinstance(body, dict):
        key = body.get("id")
    return Outcome(
        write_id=write.write_id,
        status=WriteStatus.COMMITTED,
        http_status=result.http_status,
        etag=result.etag,
        key=None if key is None else str(key),
        body=encode_result(body),
        page=result.page,
    )


def of_exception(write: Write, exc: BaseException) -> Outcome:
    """Return what an exception of a write function makes of its write: rejected or failed."""
    rejection = _rejection_of(exc)
    if rejection is not None:
        return error(
            write,
            WriteStatus.REJECTED,
            rejection.http_status,
            rejection.code,
            rejection.detail,
            fields=rejection.fields,
            exception=exc,
        )
    return error(
        write,
        WriteStatus.FAILED,
        500,
        "write_failed",
        "The write could not be applied because of an error on the server. It took no effect.",
        exception=exc,
    )


def _rejection_of(exc: BaseException) -> WriteRejected | None:
    try:
        return rejections.rejection_of(exc)
    except Exception:  # an exception that cannot be told is one more error of its function
        logger.exception("write state=exception-not-told type=%s", type(exc).__name__)
        return None


def timed_out(write: Write, exc: BaseException) -> Outcome:
    return error(
        write,
        WriteStatus.FAILED,
        500,
        "write_timed_out",
        f"The write took longer than {settings.WRITE_TIME_LIMIT_SECONDS:g} s and was cut off. No effect.",
        exception=exc,
    )


def set_aside(write: Write) -> Outcome:
    detail = "The writer died each time it tried to apply this write. It took no effect."
    return error(write, WriteStatus.FAILED, 500, "write_killed_writer", detail)


def cancelled(write: Write) -> Outcome:
    detail = "This write was cancelled before it was applied. It took no effect."
    return error(write, WriteStatus.REJECTED, 409, "cancelled", detail)


def unknown_function(write: Write, exc: UnknownWriteFunction) -> Outcome:
    return error(write, WriteStatus.FAILED, 500, "unknown_write_function", str(exc))


def error(
    write: Write,
    status: WriteStatus,
    http_status: int,
    code: str,
    detail: str,
    *,
    fields: dict[str, list[str]] | None = None,
    exception: BaseException | None = None,
) -> Outcome:
    trace = traceback.format_exception(exception) if exception and status is WriteStatus.FAILED else []
    return Outcome(
        write_id=write.write_id,
        status=status,
        http_status=http_status,
        body=encode_error(code, detail, fields),
        traceback=writable("".join(trace)),
        exception=exception,
    )


def tell(settled: Iterable[tuple[Write, Outcome]]) -> None:
    """Log what became of writes. After COMMIT: until then another try may give another outcome."""
    # Other lines for single writes would each take 20 us, and 40 us in JSON, of all who wait.
    says_all = logger.isEnabledFor(logging.DEBUG)
    for write, outcome in settled:
        if says_all or outcome.status is WriteStatus.FAILED:
            token = in_hand.set(write)  # so that the line names its request
            try:
                _tell(write, outcome)
            finally:
                in_hand.reset(token)


def _tell(write: Write, outcome: Outcome) -> None:
    match outcome.status:
        case WriteStatus.COMMITTED:
            logger.debug("write=%s state=committed function=%s", write.write_id, write.function)
        case WriteStatus.REJECTED:
            logger.debug(
                "write=%s state=rejected function=%s code=%s error=%r",
                write.write_id,
                write.function,
                outcome.json()["code"],
                outcome.exception,
            )
        case WriteStatus.FAILED:
            state = STATES.get(outcome.json()["code"], "failed")
            logger.error(
                "write=%s state=%s function=%s",
                write.write_id,
                state,
                write.function,
                exc_info=outcome.exception,
            )
