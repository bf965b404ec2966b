"""What a request passes before its view: a program's request less than a browser's."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

API_PATH = "/api/"


class TokenHandler(WSGIHandler):
    """Django's own, without the middleware that only browsers need: sessions, CSRF tokens, messages, files.

    Passing all of it would cost a write a tenth of its time.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        everything = settings.MIDDLEWARE
        settings.MIDDLEWARE = [one for one in everything if one not in settings.ONLY_FOR_BROWSERS]
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = everything


class Application:
    """A WSGI application with a way for each kind of request."""

    def __init__(self) -> None:
        self._browsers = WSGIHandler()
        self._programs = TokenHandler()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_programs = "HTTP_AUTHORIZATION" in environ and environ["PATH_INFO"].startswith(API_PATH)
        handler = self._programs if is_programs else self._browsers
        return handler(environ, start_response)
