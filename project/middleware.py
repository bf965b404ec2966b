from collections.abc import Callable
from typing import cast

from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse

from project import exception_handler

ADMIN_PATH = "/admin/"


class LengthRequired:
    """Refuses bodies in chunks, which Django would silently take for empty ones (RFC 9110, 15.5.12)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            return exception_handler.page(411, "Send the length of the body in Content-Length.")
        return self._get_response(request)


class AdminMessages(MessageMiddleware):
    """Messages for the pages that show them: making their storage costs each request of the API 3 %."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(ADMIN_PATH):
            return cast(HttpResponse, self.get_response(request))
        return cast(HttpResponse, super().__call__(request))
