"""The running service as the demonstration commands reach it: its address and a token."""

import http.client
import json
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from workers.up import url as service_url

RESPONSE_SECONDS = 60
"""How long to wait for one response: longer than any WRITE_WAIT_SECONDS that is likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where requests go, and in whose name."""

    host: str
    port: int
    token: str = ""
    """Sent as `Authorization: Bearer …`; empty for none."""

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def request(self, method: str, path: str) -> tuple[int, Any]:
        """Return the status and the JSON body (None where there is none). Raises OSError or HTTPException."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=RESPONSE_SECONDS)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, _json(response.read())
        finally:
            connection.close()

    def check_responds(self) -> None:
        """Raise CommandError, saying what to start, when nothing responds."""
        try:
            status, _ = self.request("GET", "/health/live")
        except (OSError, http.client.HTTPException) as exc:
            reason = str(exc) or type(exc).__name__
            raise CommandError(
                f"Nothing responds at {self.url} ({reason}). Start the service in another terminal with "
                "`manage.py up`, or name its address with --url."
            ) from exc
        if status == HTTPStatus.BAD_REQUEST:
            raise CommandError(
                f"{self.url} refuses every request with 400: {self.host!r} is not one of its ALLOWED_HOSTS. "
                "Add it there, or name another address of the service with --url."
            )


def add_arguments(parser: ArgumentParser) -> None:
    """Add --url and --token."""
    parser.add_argument(
        "--url",
        type=_address,
        default=None,
        help=f"address of the running service (default: {_default_url()}, from SERVICE_URL or HOST and PORT)",
    )
    parser.add_argument(
        "--token",
        type=_token,
        default=None,
        help="API token to send (default: the one in DATA_DIR/demo-token, if that file is there)",
    )


def from_options(url: tuple[str, int] | None, token: str | None) -> Server:
    """Return the server that the options name, or that of their defaults."""
    try:
        host, port = url or _address(_default_url())
    except ArgumentTypeError as exc:
        raise CommandError(f"SERVICE_URL: {exc}.") from exc
    return Server(host=host, port=port, token=_demo_token() if token is None else token)


def _default_url() -> str:
    return settings.SERVICE_URL or service_url()


def _address(value: str) -> tuple[str, int]:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ArgumentTypeError(f"{value!r} is not an address: {exc}") from exc
    if parts.scheme != "http" or not host or parts.path not in {"", "/"} or parts.query or parts.username:
        raise ArgumentTypeError(f"{value!r} is not of the form http://HOST:PORT")
    return host, port or 80


def _token(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ArgumentTypeError("a token is one word of visible ASCII characters")
    return value


def _demo_token() -> str:
    path = Path(settings.DATA_DIR) / "demo-token"
    return path.read_text().strip() if path.exists() else ""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
