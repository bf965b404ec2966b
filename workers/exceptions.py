"""The errors of the write path. Each class's docstring is its default message."""

from typing import Any

from django.db import OperationalError

NON_FIELD = "non_field_errors"
"""In the `fields` of an error: stands for what concerns no field, as in Django REST framework."""


def messages_by_field(detail: Any) -> dict[str, list[str]]:
    """Return the `detail` of a ValidationError of DRF as lists of messages by field, however deep they are.

    A message from within a field has its place before it: `inner.a` wrong is `{"inner": ["a: ..."]}`, and the
    second of a list `{"tags": ["1: ..."]}`. What concerns no field stands under NON_FIELD.
    """
    fields = detail if isinstance(detail, dict) else {NON_FIELD: detail}
    return {str(name): _flat(messages) for name, messages in fields.items()}


def _flat(messages: Any) -> list[str]:
    if isinstance(messages, dict):
        return [f"{name}: {message}" for name, inner in messages.items() for message in _flat(inner)]
    if isinstance(messages, list | tuple):
        # Of many objects each is a dict, which is empty where nothing is wrong.
        placed = [{place: one} if isinstance(one, dict) else one for place, one in enumerate(messages)]
        return [message for inner in placed for message in _flat(inner)]
    return [str(messages)]


class WritePathError(Exception):
    """The write path failed. Do not raise this directly."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class WriteRejected(WritePathError):
    """The write cannot be applied.

    Raised by write functions. The client gets `http_status` (400 to 499) with the stable machine `code` and
    the `detail`; `fields` optionally maps field names to lists of messages.
    """

    def __init__(
        self, http_status: int, code: str, detail: str, *, fields: dict[str, list[str]] | None = None
    ) -> None:
        if not 400 <= http_status <= 499:
            raise ValueError(f"A rejected write needs a status from 400 to 499, not {http_status}.")
        super().__init__(detail)
        self.http_status = http_status
        self.code = code
        self.detail = detail
        self.fields = fields


class WriteOutsideWriter(WritePathError):
    """This process may not write the store: only the writer does. Hand it over with workers.submit()."""


class RoleMayNotWrite(WriteOutsideWriter):
    """PostgreSQL's role of this process may only read. Name another one in DATABASE_URL to write here."""


class NotAccepted(WritePathError):
    """The write was not accepted. Do not raise this directly."""


class QueueUnavailable(NotAccepted):
    """Redis does not respond, so nothing was accepted: try again in a few seconds."""


class StreamFull(NotAccepted):
    """Too many writes are waiting, so nothing was accepted: try again in a few seconds."""


class TooManyWaiting(NotAccepted):
    """Too many requests of this process wait for an outcome, so nothing was accepted: try again soon."""


class StreamOfAnotherStore(NotAccepted):
    """The stream in Redis belongs to another store, so nothing was accepted: see `manage.py doctor`."""


class StoreNotReady(NotAccepted):
    """The store cannot be read, so nothing was accepted. Is `manage.py migrate` due?"""


class AcceptanceUnknown(WritePathError):
    """Redis did not confirm the write in time: it may yet be applied. Retry with the same Idempotency-Key."""


class KeyReused(NotAccepted):
    """This Idempotency-Key belongs to another request: use a new key for a new request."""


class KeyInProgress(NotAccepted):
    """The first request with this Idempotency-Key is still waiting to be committed."""

    def __init__(self, write_id: int) -> None:
        super().__init__()
        self.write_id = write_id


class UnfitArgument(WritePathError, ValueError):
    """A write has a value that cannot be kept exactly, so nothing was accepted: the client's mistake."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place} is {what}, which cannot be kept exactly.")
        self.place = place
        """Where it stands in the arguments, such as `data.price`."""
        self.what = what


class UnsupportedArgument(WritePathError, TypeError):
    """A write has a value that the stream cannot carry, so nothing was accepted: the view's mistake."""

    hint = "Hand over what the table in workers/encoding/values.py lists."

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"The argument {place} is {what}, which the stream cannot carry. {self.hint}")
        self.place = place
        self.what = what


class FileArgument(UnsupportedArgument):
    """A write has a file in it, which the stream cannot carry, so nothing was accepted."""

    hint = "Store the file first, and hand over its name."


class UnknownWriteFunction(WritePathError):
    """No write function has this name."""


class UndecodableEntry(WritePathError):
    """An entry of the stream is not a write in a form that this version knows."""


class StoreBusy(WritePathError, OperationalError):
    """The store lock could not be had in time, so nothing was written: try again in a few seconds."""


class TransactionTimedOut(WritePathError, OperationalError):
    """A request's transaction held the store lock past WRITE_LOCK_HOLD_SECONDS, so it was undone."""


class LeaseLost(WritePathError, OperationalError):
    """Another worker may be the writer by now, so this one commits nothing any more."""


class WrongStore(WritePathError, OperationalError):
    """The store cannot be used as it is.

    Also an error of the database, because opening a connection raises it, wherever that happens.
    """
