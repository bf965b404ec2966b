"""What is settled around a view: bodies, final slashes, redirects of unsafe requests, errors."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import is_valid_path

from project.api import exception_handler
from project.api.pages import ADMIN_PATH, refusal, shown, shown_in_admin
from workers import StoreBusy, TransactionTimedOut, is_cut_off
from workers.conf import settings as write_settings
from workers.rest import ProblemError

GetResponse = Callable[[HttpRequest], HttpResponse]

OF_REDIRECT = {"Location", "Content-Length", "Content-Type"}
"""Headers of a redirect that mean nothing without it."""

_READS = frozenset({"GET", "HEAD"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Bodies:
    """Refuses, before anything reads it, a body that no view may be given.

    Too large a one (413), one without a length (411: Django would silently take it for empty), and an
    encoded one (415; RFC 9110, 15.5.16). This stands before all that touches `request.POST`, which would
    take files of any size to disk. What is refused here is read and dropped by gunicorn before the next
    request of the connection.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        length = meta.get("CONTENT_LENGTH")
        if length:
            # No more digits than a length can have: `int` takes quadratic time, and refuses 4,300 of them.
            if not (length.isascii() and length.isdigit()):
                return refusal(request, 400, "Content-Length is not a number.")
            limit = write_settings.WRITE_MAX_BODY_BYTES
            if len(length.lstrip("0")) > 18 or int(length) > limit:
                return refusal(request, 413, f"The body is larger than {limit} bytes.")
        elif "HTTP_TRANSFER_ENCODING" in meta:
            return refusal(request, 411, "Send the length of the body in Content-Length.")
        if "HTTP_CONTENT_ENCODING" in meta and not _is_plain(meta["HTTP_CONTENT_ENCODING"]):
            refused = refusal(request, 415, "Send the body without a Content-Encoding.")
            refused["Accept-Encoding"] = "identity"
            return refused
        return self._get_response(request)


def _is_plain(codings: str) -> bool:
    return all(coding.strip().lower() in {"", "identity"} for coding in codings.split(","))


class KeptRequests:
    """Sees that no unsafe request is dropped by a redirect, which clients follow with GET.

    A permanent redirect (APPEND_SLASH, PREPEND_WWW, SECURE_SSL_REDIRECT, the admin's) becomes 308, which
    has the method and the body repeated. A redirect to the login page becomes 403.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code in (301, 302) and request.method not in _SAFE:
            return _kept(request, response)
        return response


def _kept(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if response.status_code == 301:
        response.status_code = 308
        response["Content-Type"] = "text/plain; charset=utf-8"
        response.content = f"Send the same request to {response['Location']}. Nothing was done.\n"
        return response
    login = resolve_url(settings.LOGIN_URL)
    if response["Location"].partition("?")[0] != login or request.path == login:
        return response
    refused = _logged_out(request, login)
    for name in response.headers.keys() - OF_REDIRECT:
        refused.headers.setdefault(name, response[name])  # those of security
    return refused


def _logged_out(request: HttpRequest, login: str) -> HttpResponse:
    # Not the page that was filled in: a login renews the CSRF token.
    detail = f"You are logged out. Nothing was done. Log in at {login}, open the form again and send it."
    return refusal(request, 403, detail)


class MissingSlash:
    """Serves a request that lacks the final slash of its route as if it had it, unless it is a GET or a HEAD.

    Django would redirect it, and the redirect would drop its body. Before CommonMiddleware, which redirects.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.endswith("/") and request.method not in _READS and settings.APPEND_SLASH:
            _add_slash(request)
        return self._get_response(request)


def _add_slash(request: HttpRequest) -> None:
    urlconf = getattr(request, "urlconf", None)
    if is_valid_path(request.path_info, urlconf):
        return
    match = is_valid_path(f"{request.path_info}/", urlconf)
    if match and getattr(match.func, "should_append_slash", True):
        request.path_info += "/"
        request.path += "/"
        request.META["PATH_INFO"] = request.path_info


class Refusals:
    """Responds to errors that end a view of Django's, or its template, and are not the program's own."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        known = ProblemError | StoreBusy | TransactionTimedOut
        if not (is_cut_off(exception) or isinstance(exception, known)):
            return None
        response = exception_handler.exception_handler(exception, {"request": request})
        in_admin = request.path_info.startswith(ADMIN_PATH)
        return shown_in_admin(request, response) if in_admin else shown(request, response)
