"""What the server itself refuses, in the shape of every other error (RFC 9457)."""

from http import HTTPStatus

import orjson

CODES = {
    400: "bad_request",
    408: "request_timeout",
    413: "body_too_large",
    414: "uri_too_long",
    431: "header_too_large",
    500: "internal_error",
    501: "not_implemented",
    503: "too_many_connections",
}
CONTENT_TYPE = b"application/problem+json"


def problem(status: int, detail: str) -> tuple[bytes, bytes]:
    """Return the media type and the body of an error."""
    title = HTTPStatus(status).phrase
    fields = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": CODES[status],
        "detail": detail,
    }
    return CONTENT_TYPE, orjson.dumps(fields)


def refusal(status: int, detail: str) -> bytes:
    """Return a whole response, after which the connection is closed."""
    content_type, body = problem(status, detail)
    lines = [
        b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()),
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(b"Retry-After: 1")
    return b"\r\n".join([*lines, b"", body])
