"""What a request is for WSGI (PEP 3333), made from what it is for ASGI (HTTP connection scope)."""

import io
import sys
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

Environ = dict[str, Any]
Scope = dict[str, Any]


def environ_of(scope: Scope) -> Environ:
    """Return the environ, still without a body."""
    host, port = scope["server"] or ("localhost", None)
    client = scope["client"] or ("", 0)
    raw_path: bytes = scope["raw_path"]
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # Bytes as latin-1, as PEP 3333 has it; Django decodes them.
        "PATH_INFO": (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if (key := _key(name)) is None:
            continue
        text = value.decode("latin-1").strip(" \t")  # which is no part of it (RFC 9110, 5.5), and may be left
        if key in environ:
            text = f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    return environ


def give_body(environ: Environ, body: bytes) -> None:
    """Let the body be read. One of unannounced length has one from now on."""
    environ["wsgi.input"] = io.BytesIO(body)
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
        environ["CONTENT_LENGTH"] = str(len(body))


@lru_cache(maxsize=1_000)
def _key(name: bytes) -> str | None:
    """Return the key of a header field; None for one that could be taken for another's."""
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
