"""Refusals from outside DRF's views: in the one shape, and as a page for people in the admin."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from project.api import exception_handler
from project.api.middleware import ADMIN_PATH
from workers import is_cut_off
from workers.rest import ProblemError


class Refusals:
    """Responds to errors that end a view of Django's, or its template, and are not the program's own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not (is_cut_off(exception) or isinstance(exception, ProblemError)):
            return None
        response = exception_handler.exception_handler(exception, {"request": request})
        if request.path_info.startswith(ADMIN_PATH):
            return exception_handler.for_people(response)
        return exception_handler.plain(response)
