from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from project import exception_handler


class LengthRequired:
    """Refuses bodies in chunks, which Django would silently take for empty ones (RFC 9110, 15.5.12)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            return exception_handler.page(411, "Send the length of the body in Content-Length.")
        return self._get_response(request)
