"""The request headers of a write, parsed strictly: what is not understood is an error, not ignored."""

import re
from dataclasses import dataclass

from django.http import HttpRequest

from workers.conf import settings
from workers.rest.errors import ProblemError

KEY_MAX_CHARACTERS = 255
_KEY = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"|([\x21\x23-\x7e]+)')
_PREFERENCE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("[^"]*"|[^\s;,"]*))?\s*(?:;[^,]*)?')
_ENTITY_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_WRITE_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    """What the client prefers (RFC 7240)."""

    respond_async: bool = False
    """Answer 202 as soon as the write is accepted."""
    wait_seconds: float | None = None
    """Wait no longer than this."""
    minimal: bool = False
    """Answer without a body."""

    def applied(self) -> str:
        """Return the value of Preference-Applied."""
        applied = ["respond-async"] if self.respond_async else []
        if self.wait_seconds is not None:
            applied.append(f"wait={self.wait_seconds:g}")
        if self.minimal:
            applied.append("return=minimal")
        return ", ".join(applied)


def invalid(name: str, detail: str) -> ProblemError:
    return ProblemError(400, "invalid_header", f"{name}: {detail}")


def _header(request: HttpRequest, name: str) -> str | None:
    # Not `request.headers`, which is made of all the headers before it gives one.
    value: str | None = request.META.get(name)
    return value


def prefer(request: HttpRequest) -> Prefer:
    """Return the preferences. Raises ProblemError; preferences of others are left alone, as RFC 7240 asks."""
    raw = _header(request, "HTTP_PREFER")
    if not raw:
        return Prefer()
    respond_async, wait_seconds, minimal = False, None, False
    for part in raw.split(","):
        match = _PREFERENCE.fullmatch(part)
        if match is None:
            raise invalid("Prefer", f"{part.strip()[:50]!r} is not a preference.")
        name, value = match[1].lower(), (match[2] or "").strip('"')
        if name == "respond-async":
            respond_async = True
        elif name == "wait":
            if not re.fullmatch(r"[0-9]{1,6}", value):
                raise invalid("Prefer", f"wait={value[:50]} is not a whole number of seconds.")
            wait_seconds = float(min(int(value), settings.WRITE_WAIT_SECONDS))
        elif name == "return":
            if value not in {"minimal", "representation"}:
                raise invalid("Prefer", f"return={value[:50]} is not known; use minimal or representation.")
            minimal = value == "minimal"
    return Prefer(respond_async=respond_async, wait_seconds=wait_seconds, minimal=minimal)


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the key, quoted as the draft asks or bare as many clients send it. Raises ProblemError."""
    raw = _header(request, "HTTP_IDEMPOTENCY_KEY")
    if raw is None:
        return None
    match = _KEY.fullmatch(raw.strip())
    if match is None:
        raise invalid("Idempotency-Key", "use visible ASCII characters, within double quotes or without any.")
    key = match[1] if match[1] is not None else match[2]
    if not 1 <= len(key) <= KEY_MAX_CHARACTERS:
        raise invalid("Idempotency-Key", f"use 1 to {KEY_MAX_CHARACTERS} characters.")
    return key


def if_match(request: HttpRequest) -> list[str] | None:
    """Return the entity tags of If-Match (RFC 9110, 13.1.1), `["*"]` for any, None without the header.

    A weak tag never matches, so it is left out. Raises ProblemError.
    """
    raw = _header(request, "HTTP_IF_MATCH")
    if raw is None:
        return None
    if raw.strip() == "*":
        return ["*"]
    tags = []
    for part in raw.split(","):
        match = _ENTITY_TAG.fullmatch(part)
        if match is None:
            raise invalid("If-Match", f"{part.strip()[:50]!r} is not an entity tag in double quotes.")
        if not match[1]:
            tags.append(match[2])
    return tags


def read_after(request: HttpRequest) -> int | None:
    """Return the write that must be committed before this read. Raises ProblemError."""
    raw = _header(request, "HTTP_READ_AFTER")
    if raw is None:
        return None
    if not _WRITE_ID.fullmatch(raw.strip()):
        raise invalid("Read-After", f"{raw[:50]!r} is not a write id.")
    return int(raw)
