"""Whether the web server that `manage.py up` has started responds."""

import http.client
import socket

from django.conf import settings
from django.urls import Resolver404, resolve

from workers.service_settings import place

LIVE = "/health/live"
"""The page that is asked whether the application responds."""

RESPONSE = b"HTTP/1.1 "

PROBE_TIMEOUT_SECONDS = 0.5


def web_responds() -> bool:
    """Say whether the application responds, or the server alone, where the project has no page to ask for.

    A page that is not there would be a line in the project's log for each time of asking.
    """
    try:
        resolve(LIVE)
    except Resolver404:
        return _server_responds()
    connection = http.client.HTTPConnection(reachable_host(), place.PORT, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", LIVE, headers={"Host": _allowed_host()})
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _server_responds() -> bool:
    """Say whether a web process does, which has loaded the application before it listens.

    It refuses a request that ends before it is whole, itself and without a word in its log.
    """
    address = (reachable_host(), place.PORT)
    try:
        with socket.create_connection(address, timeout=PROBE_TIMEOUT_SECONDS) as client:
            client.sendall(b"GET / HTTP/1.1\r\n")
            client.shutdown(socket.SHUT_WR)
            return client.recv(len(RESPONSE)) == RESPONSE
    except OSError:
        return False


def reachable_host() -> str:
    host: str = place.HOST
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  # not bound to


def _allowed_host() -> str:
    """Return a Host header that ALLOWED_HOSTS lets through."""
    first: str = next(iter(settings.ALLOWED_HOSTS), "*")
    return "localhost" if first == "*" else first.removeprefix(".")
