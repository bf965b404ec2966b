"""What the server itself refuses, in the shape of every other error (RFC 9457)."""

from http import HTTPStatus

import orjson

CODES = {
    400: "bad_request",
    408: "request_timeout",
    414: "uri_too_long",
    431: "header_too_large",
    501: "not_implemented",
    503: "too_many_connections",
}


def refusal(status: int, detail: str) -> bytes:
    """Return a whole response, after which the connection is closed."""
    phrase = HTTPStatus(status).phrase
    body = orjson.dumps(
        {"type": "about:blank", "title": phrase, "status": status, "code": CODES[status], "detail": detail}
    )
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n{'Retry-After: 1' if status == 503 else ''}"
    )
    return head.removesuffix("\r\n").encode() + b"\r\n\r\n" + body
