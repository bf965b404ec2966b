"""What an exception of a write function makes of its write: a rejection (4xx), or nothing (failed, 500).

| raised | HTTP status | code |
|---|---|---|
| `WriteRejected` | its own | its own |
| Django's `ValidationError` | 400 | `invalid`, messages in `fields` |
| Django's `SuspiciousOperation` | 400 | `bad_request` |
| `PermissionDenied` | 403 | `permission_denied` |
| `Http404`, `ObjectDoesNotExist` (`get_object_or_404`, `Model.objects.get`) | 404 | `not_found` |
| what a trigger of PostgreSQL raises (`RAISE EXCEPTION`) | 409 | `conflict`, with its sentence |
| `DataError`: a text too long for its column, a number out of its range (PostgreSQL) | 400 | `invalid` |
| `OverflowError` of a number that SQLite cannot hold | 400 | `invalid` |
| `IntegrityError`, `ProtectedError`, `RestrictedError` | 409 | `conflict`, see workers/store/conflicts.py |
| an `APIException` of DRF with an HTTP status of 4xx | its own | its own; `invalid` for a `ValidationError` |

Everything else is an error of the function.
"""

from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DatabaseError, DataError, IntegrityError
from django.http import Http404

from workers.exceptions import NON_FIELD, WriteRejected, messages_by_field
from workers.store import conflicts, errors


def rejection_of(exc: BaseException) -> WriteRejected | None:
    """Return the rejection that this exception stands for, or None for an error of the function."""
    match exc:
        case WriteRejected():
            return exc
        case ValidationError():
            return WriteRejected(400, "invalid", "The change is not valid.", fields=_messages(exc))
        case Http404() | ObjectDoesNotExist():
            return WriteRejected(404, "not_found", _detail(exc, "What the write needs does not exist."))
        case PermissionDenied():
            return WriteRejected(403, "permission_denied", _detail(exc, "You may not do this."))
        case SuspiciousOperation():
            return WriteRejected(400, "bad_request", "The request is malformed.")
        case IntegrityError():
            return conflicts.conflict_of(exc)
        case DatabaseError() if errors.sqlstate(exc) == errors.RAISED_BY_TRIGGER:
            return conflicts.conflict_of(exc)
        case DataError():
            return WriteRejected(400, "invalid", f"A value does not fit: {_first_line(exc)}")
        case OverflowError() if _is_the_stores(exc):
            return WriteRejected(400, "invalid", "A number is beyond 64 bits, more than the store can hold.")
    return _of_api_exception(exc)


def _first_line(exc: BaseException) -> str:
    text = str(exc).partition("\n")[0].strip().rstrip(".")
    return f"{text}." if text else "it is too long, or out of range."


def _is_the_stores(exc: BaseException) -> bool:
    """Return whether it was raised where values are handed to SQLite, whose integers have 64 bits."""
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and frame.tb_frame.f_globals.get("__name__") == "django.db.backends.sqlite3.base"


def _messages(exc: ValidationError) -> dict[str, list[str]]:
    if not hasattr(exc, "error_dict"):
        return {NON_FIELD: exc.messages}
    return {
        NON_FIELD if name == NON_FIELD_ERRORS else name: found for name, found in exc.message_dict.items()
    }


def _detail(exc: BaseException, otherwise: str) -> str:
    return next((str(text) for text in exc.args if text), otherwise)


def _of_api_exception(exc: BaseException) -> WriteRejected | None:
    """Return the rejection for what has the form of DRF's exceptions: the write path does not import DRF."""
    http_status, detail = getattr(exc, "status_code", None), getattr(exc, "detail", None)
    if not isinstance(http_status, int) or not 400 <= http_status <= 499 or not hasattr(exc, "get_codes"):
        return None
    if isinstance(detail, dict | list):
        told = "The change is not valid."
        return WriteRejected(http_status, "invalid", told, fields=messages_by_field(detail))
    code = getattr(exc, "code", None) or exc.get_codes()
    return WriteRejected(http_status, str(code), str(detail), fields=getattr(exc, "fields", None))
