"""uvicorn's HTTP protocol, with limits.

The one over httptools, or the slower one over h11 where httptools is missing.
"""

import re
from typing import Any

from workers.web.limits import REQUEST, Limits

LINE_BYTES = 4_094
FIELDS = 100
FIELD_BYTES = 8_190
"""Of a request line and its header fields: gunicorn's, which people know."""

REQUEST_LINE = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [!-~]+ HTTP/1\.[01]\r?\n", re.MULTILINE)
"""RFC 9112, 3."""

METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"}

try:
    import httptools
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    IS_QUICK = False
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class HttpProtocol(Limits, H11Protocol):  # type: ignore[misc]  # uvicorn's names are declared in Limits
        """Limits the head as a whole, by HEAD_BYTES."""

else:
    IS_QUICK = True

    class HttpProtocol(Limits, HttpToolsProtocol):  # type: ignore[misc,no-redef]  # see above
        """Limits the head, its line and its fields."""

        def on_headers_complete(self) -> None:
            if len(self.url) > LINE_BYTES:
                raise _TooLong(414, f"The address is longer than {LINE_BYTES} bytes.")
            if len(self.headers) > FIELDS:
                raise _TooLong(431, f"There are more than {FIELDS} header fields.")
            for name, value in self.headers:
                if len(name) + len(value) > FIELD_BYTES:
                    raise _TooLong(431, f"A header field is longer than {FIELD_BYTES} bytes.")
            self.has_begun = False
            super().on_headers_complete()
            scope: Any = self.scope
            scope[REQUEST] = self.cycle

        def on_header(self, name: bytes, value: bytes) -> None:
            if self.has_begun:  # else it is a trailer, which must not pass for a field of the head
                super().on_header(name, value)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.has_begun = True

        def _names_a_method(self) -> bool:
            return any(method not in METHODS for method in REQUEST_LINE.findall(self.received))

        def _judge(self, error: BaseException | None) -> tuple[int, str]:
            cause = error.__context__ if error is not None else None
            if isinstance(cause, _TooLong):
                return cause.status, cause.detail
            if isinstance(error, httptools.HttpParserInvalidMethodError) and self._names_a_method():
                return 501, "The server does not know this method."
            if error is not None and "Transfer-Encoding" in str(error):
                return 501, "The server knows no transfer coding but chunked."
            return super()._judge(error)


class _TooLong(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def options(*, most_connections: int) -> dict[str, Any]:
    """Return how uvicorn is to be configured."""
    protocol = type("HttpProtocol", (HttpProtocol,), {"most_connections": most_connections})
    return {
        "http": protocol,
        "interface": "asgi3",
        "lifespan": "off",
        "ws": "none",
        "access_log": False,
        "server_header": False,
        # Nothing but the request itself is taken from a client's headers: Django reads what it is told to.
        "proxy_headers": False,
    }
