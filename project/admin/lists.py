"""What the admin's lists are asked through their address, taken as strictly as the API takes it.

A middleware and not a base class, because it is for the pages of every app, Django's and third parties' too.
"""

from collections.abc import Callable

from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from project.api.exception_handler import problem
from project.api.pages import ADMIN_PATH, shown_in_admin
from workers import is_request_error
from workers.rest import BoundedSearchFilter

MAX_WORDS, MAX_CHARACTERS = BoundedSearchFilter.max_words, BoundedSearchFilter.max_characters

SEARCHES = (SEARCH_VAR, "term")
"""The parameters that search: that of a list, and that of the fields that complete what is typed."""


class StrictLists:
    """Refuses what no list can be made of, and what would keep the store busy for long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(ADMIN_PATH) and request.GET and (refusal := _refusal(request)):
            return shown_in_admin(request, problem(400, "invalid", refusal))
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Lead from a list that cannot be read, because of its address, to the whole list, as Django does."""
        if not request.path_info.startswith(ADMIN_PATH) or request.method != "GET":
            return None
        if ERROR_FLAG in request.GET or not is_request_error(exception):
            return None
        return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")


def _refusal(request: HttpRequest) -> str:
    if any(name.endswith(("__regex", "__iregex")) for name in request.GET):
        return "The lists cannot be filtered by a pattern: a short one takes hours. Search for words."
    for name in SEARCHES:
        text = request.GET.get(name, "")
        if len(text) > MAX_CHARACTERS or len(text.split()) > MAX_WORDS:  # each is looked for in every row
            return f"Search for at most {MAX_WORDS} words of {MAX_CHARACTERS} characters together."
    return ""
