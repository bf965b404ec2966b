"""Errors from outside DRF's views, each in the form that its client can read: a page or problem details.

A browser gets a page, except under `/api/` and `/health/`, where everything is JSON. Whoever takes anything
gets JSON too.
"""

import sys

from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from rest_framework.response import Response

from project.api.exception_handler import CODES, CONTENT_TYPE, problem, response_to
from workers.rest import JSONRenderer

ADMIN_PATH = "/admin/"
FOR_PROGRAMS = ("/api/", "/health/")

HTML = "text/html"
JSON = (CONTENT_TYPE, "application/json")

# No template: it must be there when whatever else is not.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<main>
<p class="status">{status}</p>
<h1>{title}</h1>
<p>{detail}</p>
<p class="ways"><a href="{root}">Start page</a></p>
</main>
</body>
</html>
"""


def refusal(request: HttpRequest, status: int, detail: str, *, code: str = "") -> HttpResponse:
    """Return an error in the form that suits the client."""
    return shown(request, problem(status, code or CODES[status], detail))


def shown(request: HttpRequest, response: Response) -> HttpResponse:
    """Return what a view of DRF's would respond with, in the form that suits the client."""
    if request.path_info.startswith(FOR_PROGRAMS):
        return as_json(response)
    suited = as_page(response) if request.get_preferred_type([*JSON, HTML]) == HTML else as_json(response)
    patch_vary_headers(suited, ["Accept"])
    return suited


def shown_in_admin(request: HttpRequest, response: Response) -> HttpResponse:
    """Return the same for a page of the admin: a page also for whoever takes anything."""
    suited = as_json(response) if request.get_preferred_type([HTML, *JSON]) in JSON else as_page(response)
    patch_vary_headers(suited, ["Accept"])
    return suited


def as_json(response: Response) -> HttpResponse:
    """Return what DRF's views would render."""
    body = JSONRenderer().render(response.data)
    headers = {**response.headers, "Content-Type": CONTENT_TYPE}
    return HttpResponse(body, status=response.status_code, headers=headers)


def as_page(response: Response) -> HttpResponse:
    """Return the same as a page that a browser can show."""
    told = response.data
    text = format_html(
        PAGE,
        title=told["title"],
        status=told["status"],
        detail=told["detail"],
        style=static("api/page.css"),
        root=get_script_prefix(),
    )
    headers = {**response.headers, "Content-Type": "text/html; charset=utf-8"}
    return HttpResponse(text, status=response.status_code, headers=headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to what Django refuses before a view sees it, such as an unknown Host."""
    return refusal(request, 400, "The request is malformed, or its Host is not one of ALLOWED_HOSTS.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal(request, 403, "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal(request, 404, f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond to an exception from outside DRF's views, in the admin or a middleware, still at hand."""
    return shown(request, response_to(sys.exc_info()[1]))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Respond to a form without the token of its page. The policy forbids the style in Django's own page."""
    detail = (
        "The form was not sent from its own page, or that page was open for too long. Nothing was done. "
        "Open it again, and allow this site its cookies."
    )
    return refusal(request, 403, detail)
