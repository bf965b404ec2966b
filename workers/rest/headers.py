"""The request headers of a write, parsed strictly: what is not understood is an error, not ignored.

Each takes time in proportion to its length: lists are cut in one pass, and no pattern has two ways to match.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest

from workers.conf import settings
from workers.rest.errors import ProblemError

KEY_MAX_CHARACTERS = 255
WAIT_MAX_DIGITS = 6
_BLANKS = " \t"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# A string of RFC 8941, maybe with parameters; or bare, without the comma that joins repeated lines.
_KEY = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:[ ]*;.*)?|([\x21\x23-\x2b\x2d-\x7e]+)')
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_WRITE_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    """What the client prefers (RFC 7240)."""

    respond_async: bool = False
    """Respond with 202 as soon as the write is accepted."""
    wait_seconds: float | None = None
    """Wait no longer than this."""
    minimal: bool = False
    """Respond without a body."""

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


def _elements(text: str, separator: str, *, escapes: bool) -> Iterator[str]:
    """Yield what stands between separators that are not within double quotes, without blanks around it.

    `escapes` says whether a backslash takes the next character's meaning away within quotes. Raises
    ValueError for a quote that is never closed.
    """
    start, is_quoted, is_escaped = 0, False, False
    for position, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif character == '"':
            is_quoted = not is_quoted
        elif is_quoted:
            is_escaped = escapes and character == "\\"
        elif character == separator:
            yield text[start:position].strip(_BLANKS)
            start = position + 1
    if is_quoted:
        raise ValueError("a quote is never closed")
    yield text[start:].strip(_BLANKS)


def prefer(request: HttpRequest) -> Prefer:
    """Return the preferences. Raises ProblemError; preferences of others are left alone, as RFC 7240 asks."""
    raw = _header(request, "HTTP_PREFER")
    if not raw:
        return Prefer()
    try:
        given = _preferences(raw)
    except ValueError as exc:
        raise invalid("Prefer", f"{exc}.") from exc
    return Prefer(
        respond_async="respond-async" in given,
        wait_seconds=_wait_seconds(given["wait"]) if "wait" in given else None,
        minimal=_is_minimal(given.get("return", "representation")),
    )


def _preferences(raw: str) -> dict[str, str]:
    """Return the value of each preference; of one that is repeated the first counts. Raises ValueError."""
    given: dict[str, str] = {}
    for element in _elements(raw, ",", escapes=True):
        if not element:
            continue  # RFC 9110, 5.6.1.2
        name, _, value = next(_elements(element, ";", escapes=True)).partition("=")
        name = name.rstrip(_BLANKS).lower()
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{element[:50]!r} is not a preference")
        given.setdefault(name, _unquoted(value.strip(_BLANKS)))
    return given


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(r"\1", value[1:-1])
    return value


def _wait_seconds(value: str) -> float:
    if not (value.isascii() and value.isdigit()):
        raise invalid("Prefer", f"wait={value[:50]} is not a whole number of seconds.")
    longest: float = settings.WRITE_WAIT_SECONDS
    digits = value.lstrip("0") or "0"
    return longest if len(digits) > WAIT_MAX_DIGITS else float(min(int(digits), longest))


def _is_minimal(value: str) -> bool:
    if value.lower() not in {"minimal", "representation"}:
        raise invalid("Prefer", f"return={value[:50]} is not known; use minimal or representation.")
    return value.lower() == "minimal"


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the key, quoted as the draft asks or bare as many clients send it. Raises ProblemError."""
    raw = _header(request, "HTTP_IDEMPOTENCY_KEY")
    if raw is None:
        return None
    match = _KEY.fullmatch(raw.strip())
    if match is None:
        raise invalid(
            "Idempotency-Key",
            "send one, of visible ASCII characters within double quotes, or bare without commas.",
        )
    key = _ESCAPED.sub(r"\1", match[1]) if match[1] is not None else match[2]
    if not 1 <= len(key) <= KEY_MAX_CHARACTERS:
        raise invalid("Idempotency-Key", f"use 1 to {KEY_MAX_CHARACTERS} characters.")
    return key


ANY = ["*"]
"""In place of entity tags: whatever is stored."""


def entity_tags(request: HttpRequest, name: str) -> list[str] | None:
    """Return the entity tags of If-Match or If-None-Match as they were sent, ANY, None without the header.

    Raises ProblemError. See RFC 9110, 13.1.
    """
    raw = _header(request, "HTTP_" + name.upper().replace("-", "_"))
    if raw is None:
        return None
    if raw.strip(_BLANKS) == "*":
        return ANY
    try:
        tags = [tag for tag in _elements(raw, ",", escapes=False) if tag]
    except ValueError as exc:
        raise invalid(name, f"{exc}.") from exc
    odd = next((tag for tag in tags if not _ENTITY_TAG.fullmatch(tag)), None if tags else "")
    if odd is not None:
        raise invalid(name, f"{odd[:50]!r} is not an entity tag in double quotes.")
    return tags


def if_match(request: HttpRequest) -> list[str] | None:
    """Return the strong tags of If-Match without their quotes, ANY for any, None without the header.

    Raises ProblemError.
    """
    tags = entity_tags(request, "If-Match")
    if tags is None or tags is ANY:
        return tags
    return [tag[1:-1] for tag in tags if tag.startswith('"')]


def read_after(request: HttpRequest) -> int | None:
    """Return the write that must be committed before this read. Raises ProblemError."""
    raw = _header(request, "HTTP_READ_AFTER")
    if raw is None:
        return None
    if not _WRITE_ID.fullmatch(raw.strip()):
        raise invalid("Read-After", f"{raw[:50]!r} is not a write id.")
    return int(raw)
