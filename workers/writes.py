"""A write and its outcome: plain values, and their form in the stream.

A *write* is one change a client asked for. Its `write_id` is given by Redis when it accepts the write: the
microseconds since 1970 at that moment, raised where needed so that ids only ever grow. It is therefore the
write's place in the order, its time of acceptance and its public name at once.
"""

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from workers import principals
from workers.encoding import exact_json, values
from workers.exceptions import UndecodableEntry

_TOKEN = re.compile("[0-9a-f]{32}")

UNDECODABLE = ""
"""Stands for the write function of an entry that cannot be decoded."""


class WriteStatus(StrEnum):
    """What became of a write."""

    COMMITTED = "committed"
    """Its effect is in the store, durable."""
    REJECTED = "rejected"
    """It cannot be applied: the client's mistake or a conflict; the HTTP status is 4xx. No effect."""
    FAILED = "failed"
    """Its function failed or could not be found; the HTTP status is 5xx. No effect."""


class _Asked:
    """Has room for the user who asked, which is empty until it is looked for."""

    __slots__ = ("_user",)
    _user: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(_Asked):
    """One change a client asked for. Atomic: all of it or none."""

    function: str
    """The registered name of the write function."""
    arguments: Mapping[str, Any]
    """What the write function is given, in the types of workers/encoding/values.py."""
    token: str
    """Makes the write unique, however often it is sent: one receipt per token. 32 hexadecimal digits."""
    principal: str = ""
    """Who asked, as a text: the primary key of a user, or empty. See `user` and `workers.user_id`."""
    fingerprint: str | None = None
    """Digest of the request behind an Idempotency-Key; None without one."""
    reply_to: str | None = None
    """Where its outcome is announced: `<process>:<number>`; None when nobody waits."""
    write_id: int = 0
    """Its place in the order of acceptance; 0 until it is accepted."""
    retry_of: int | None = None
    """The id of the failed write that this one tries again."""
    request_id: str = ""
    """What the request that asked is called in the logs; empty where there was none."""
    traceparent: str = ""
    """The place in a trace of whoever asked; empty for none."""
    payload: bytes = field(default=b"", compare=False, repr=False)
    """Its form in the stream; empty until it is submitted."""

    @property
    def user(self) -> Any:
        """The user who asked, read from the store when it is first asked for; AnonymousUser for nobody."""
        if not hasattr(self, "_user"):
            object.__setattr__(self, "_user", principals.user_of(self.principal))
        return self._user


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a write function returns for a write that it applied."""

    body: Any = None
    """Sent to the client; what `exact_json.to_json` knows."""
    page: bytes = b""
    """More for who waits for the outcome; announced, and not kept with the receipt."""
    http_status: int = 200
    """The HTTP status of the response, 200 to 299."""

    etag: str | None = None
    """The entity tag, without quotes, of what the write has left; None for none."""
    key: object = None
    """The primary key of what the write created, changed or deleted; None for the `id` in the body."""

    def __post_init__(self) -> None:
        if not 200 <= self.http_status <= 299:
            raise ValueError(f"A committed write needs a status from 200 to 299, not {self.http_status}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one write."""

    write_id: int
    status: WriteStatus
    http_status: int
    """The HTTP status of the response."""
    etag: str | None = None
    """The entity tag, without quotes, that goes with the body of a committed write."""
    key: str | None = None
    """The primary key of what a committed write created; of what it changed, where its function says so."""
    body: bytes = b"null"
    """JSON: the result of a committed write, else `{"code", "detail"}` and maybe `"fields"`."""
    traceback: str = field(default="", compare=False)
    """Where a failed write's function raised; for operators, never sent to clients."""
    exception: BaseException | None = field(default=None, compare=False, repr=False)
    """What it raised, for the log; only where the write was applied."""
    page: bytes = field(default=b"", compare=False, repr=False)
    """What its function had for who waits; lost with the announcement, because no receipt keeps it."""

    def json(self) -> Any:
        return exact_json.from_json(self.body)


def new_token() -> str:
    """Return a token that sorts by time (UUID version 7, RFC 9562), so that its index grows at one end.

    In the form in which it is sent and stored: UUID objects would cost a tenth of the writer's time.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = (value & ~(0xF000 << 64)) | (0x7000 << 64)
    return f"{(value & ~(0xC000 << 48)) | (0x8000 << 48):032x}"


def encode(write: Write) -> bytes:
    """Return the form in which the write travels in the stream.

    Raises UnfitArgument and UnsupportedArgument, see workers/encoding/values.py.
    """
    parts: list[Any] = [write.token, write.function, values.pack(write.arguments), write.principal]
    # Nothing is an empty text here, as in entries of former versions.
    parts += [write.fingerprint or "", write.reply_to or ""]
    if write.traceparent:
        parts += [write.retry_of or 0, write.request_id, write.traceparent]
    elif write.request_id:
        parts += [write.retry_of or 0, write.request_id]
    elif write.retry_of:
        parts.append(write.retry_of)
    try:
        return orjson.dumps(parts)
    except TypeError:
        values.pack_slowly(write.arguments)  # names what orjson does not like
        raise


def encode_arguments(write: Write) -> str:
    """Return the write's arguments as JSON, for the receipt of one that failed."""
    # As they were sent: a function may have changed them.
    return orjson.dumps(values.pack(pristine(write).arguments)).decode()


def decode_arguments(text: str) -> dict[str, Any]:
    """Return the arguments that a receipt holds, for another try."""
    return values.unpack(orjson.loads(text))


def encode_result(body: Any) -> bytes:
    """Return a write function's result as JSON. Raises TypeError when it cannot be."""
    return exact_json.to_json(body)


def encode_error(code: str, detail: str, fields: Mapping[str, Sequence[str]] | None) -> bytes:
    """Return what a write that took no effect has its response."""
    body: dict[str, Any] = {"code": writable(code), "detail": writable(detail)}
    if fields:
        body["fields"] = {writable(name): _messages(fields[name]) for name in fields}
    return orjson.dumps(body)


def _messages(messages: Any) -> list[str]:
    """Return the messages of a field as a list: one alone is often given as a text."""
    return [writable(one) for one in (messages if isinstance(messages, list | tuple) else [messages])]


def writable(value: object) -> str:
    """Return the value as a text that can be stored: lazy translations too, without lone surrogates."""
    return str(value).encode(errors="replace").decode()


def _token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("a token is 32 hexadecimal digits")
    return value


def decode(write_id: int, payload: bytes) -> Write:
    """Return the write that an entry of the stream holds. Raises UndecodableEntry."""
    try:
        token, function, arguments, principal, fingerprint, reply_to, *more = orjson.loads(payload)
        return Write(
            function=str(function),
            arguments=values.unpack(dict(arguments)),
            token=_token(token),
            principal=str(principal),
            fingerprint=str(fingerprint) or None,
            reply_to=str(reply_to) or None,
            write_id=write_id,
            # As many of these as the write needs; those of former versions have one at most.
            retry_of=int(more[0]) or None if more else None,
            request_id=str(more[1]) if len(more) > 1 else "",
            traceparent=str(more[2]) if len(more) > 2 else "",
            payload=payload,
        )
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as exc:
        raise UndecodableEntry from exc


def pristine(write: Write) -> Write:
    """Return the write as it was read, for when it is applied again: a function may change its arguments."""
    return decode(write.write_id, write.payload) if write.payload else write
