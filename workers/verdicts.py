"""The outcomes of writes, made from what their functions return or raise."""

import logging
import traceback

from workers import rejections
from workers.conf import settings
from workers.exceptions import UnknownWriteFunction, WriteRejected
from workers.writes import Kind, Outcome, Result, Write, encode_error, encode_result, writable

logger = logging.getLogger(__name__)


def committed(write: Write, result: Result) -> Outcome:
    """Return the outcome of a write that was applied. Raises TypeError for what is no result, or not JSON.

    To be called inside the savepoint: such a result undoes its write.
    """
    if not isinstance(result, Result):
        raise TypeError(
            f"{write.function} returned a value of the type {type(result).__name__}, not a Result."
        )
    return Outcome(
        write_id=write.write_id,
        kind=Kind.COMMITTED,
        status=result.status,
        body=encode_result(result.body),
    )


def of_exception(write: Write, exc: BaseException) -> Outcome:
    """Return what an exception of a write function makes of its write: rejected or failed."""
    rejection = _rejection_of(exc)
    if rejection is not None:
        logger.info(
            "write=%s state=rejected function=%s code=%s error=%r",
            write.write_id,
            write.function,
            rejection.code,
            exc,
        )
        return error(
            write,
            Kind.REJECTED,
            rejection.status,
            rejection.code,
            rejection.detail,
            fields=rejection.fields,
        )
    logger.error("write=%s state=failed function=%s", write.write_id, write.function, exc_info=exc)
    return error(
        write,
        Kind.FAILED,
        500,
        "write_failed",
        "The write could not be applied because of an error on the server. It took no effect.",
        trace="".join(traceback.format_exception(exc)),
    )


def _rejection_of(exc: BaseException) -> WriteRejected | None:
    try:
        return rejections.rejection_of(exc)
    except Exception:  # an exception that cannot be told is one more fault of its function
        logger.exception("write state=exception-not-told type=%s", type(exc).__name__)
        return None


def timed_out(write: Write, exc: BaseException) -> Outcome:
    logger.error("write=%s state=timed-out function=%s", write.write_id, write.function)
    return error(
        write,
        Kind.FAILED,
        500,
        "write_timed_out",
        f"The write took longer than {settings.WRITE_TIME_LIMIT_SECONDS:g} s and was cut off. No effect.",
        trace="".join(traceback.format_exception(exc)),
    )


def unknown_function(write: Write, exc: UnknownWriteFunction) -> Outcome:
    return error(write, Kind.FAILED, 500, "unknown_write_function", str(exc))


def error(
    write: Write,
    kind: Kind,
    status: int,
    code: str,
    detail: str,
    *,
    fields: dict[str, list[str]] | None = None,
    trace: str = "",
) -> Outcome:
    return Outcome(
        write_id=write.write_id,
        kind=kind,
        status=status,
        body=encode_error(code, detail, fields),
        traceback=writable(trace),
    )
