"""A request's view, made once more in the writer: what depends on what is stored is asked there.

What the view is told of the request travels with the write (`circumstances`). It has the user, the path, the
query and the body of the request, and neither its other headers nor what middleware had added to it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import QueryDict
from django.urls import get_script_prefix, resolve, set_script_prefix
from django.utils import timezone, translation
from django.utils.datastructures import MultiValueDict
from django.utils.functional import SimpleLazyObject
from rest_framework.request import Request

from workers import principals
from workers.rest.responses import principal_of

ENVIRON = ("SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT")
"""What the writer is told of the request, for what depends on it."""

INACTIVE = "inactive"
"""Under this name: that the request came of a user who is not active, whom some authentication lets in."""


def circumstances(view: Any) -> dict[str, Any]:
    """Return on what the view's work may depend, beside what is stored and the body."""
    request: Request = view.request
    meta, principal = request.META, principal_of(request)
    told = {
        "kwargs": view.kwargs,
        "basename": getattr(view, "basename", None),
        "detail": getattr(view, "detail", None),
        "method": request.method,
        "action": getattr(view, "action", None),
        "principal": principal,
        "environ": {name: meta[name] for name in ENVIRON if name in meta}
        | {"HTTP_HOST": request.get_host(), "wsgi.url_scheme": request.scheme},
        "language": translation.get_language(),
        "timezone": timezone.get_current_timezone_name(),
    }
    if principal and not getattr(request.user, "is_active", True):
        told[INACTIVE] = True
    return told


@contextmanager
def rebuilt(view_class: Any, told: Mapping[str, Any], *, body: Any = None) -> Iterator[Any]:
    """Give the view as it stands when its handler is called, in the language and time zone of the request."""
    prefix = get_script_prefix()
    with translation.override(told["language"]), timezone.override(told["timezone"]):
        set_script_prefix(told["environ"].get("SCRIPT_NAME") or "/")
        try:
            yield _view(view_class, told, body)
        finally:
            set_script_prefix(prefix)


def as_get(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the circumstances of a GET of the object that the request names."""
    return {**told, "method": "GET", "action": "retrieve", "detail": True}


def sent_body(data: Any) -> dict[str, Any]:
    """Return the arguments that carry a body: JSON as it is, a form with all values of each name."""
    return (
        {"data": dict(data.lists()), "is_form": True} if isinstance(data, MultiValueDict) else {"data": data}
    )


def received_body(arguments: Mapping[str, Any]) -> Any:
    """Return the body that `sent_body` made arguments of."""
    data = arguments["data"]
    if not arguments.get("is_form"):
        return data
    form = QueryDict(mutable=True)
    for name, values in data.items():
        form.setlist(name, values)
    form._mutable = False
    return form


def _view(view_class: Any, told: Mapping[str, Any], body: Any) -> Any:
    action = told.get("action") or "retrieve"  # of writes that a former version accepted
    method = told.get("method", "GET")
    view = view_class(**_options_of(view_class, action))
    view.args, view.kwargs, view.format_kwarg, view.headers = (), dict(told["kwargs"]), None, {}
    view.basename, view.detail, view.action_map = told["basename"], told.get("detail", True), {}
    view.action_map[method.lower()] = view.action = action
    environ = dict(told["environ"]) | {"REQUEST_METHOD": method, "wsgi.input": BytesIO()}
    request = view.request = view.initialize_request(WSGIRequest(environ))
    request._data = request._full_data = {} if body is None else body
    request._files = MultiValueDict()
    request.user = SimpleLazyObject(lambda: principals.user_of(told["principal"]))
    # Not to be authenticated here, where neither token nor cookie is.
    request.auth = None
    request._authenticator = next(iter(request.authenticators or ()), None) if told["principal"] else None
    request.accepted_renderer, request.accepted_media_type = view.perform_content_negotiation(
        request, force=True
    )
    # Not before it is asked for: it costs what a route does.
    request._request.resolver_match = SimpleLazyObject(lambda: resolve(request.path_info))
    request.version, request.versioning_scheme = view.determine_version(request, **view.kwargs)
    return view


@cache
def _options_of(view_class: Any, action: str) -> dict[str, Any]:
    """Return what `@action(...)` says of an action, which is the view's while it serves that."""
    for one in getattr(view_class, "get_extra_actions", list)():
        if action in one.mapping.values():
            options: dict[str, Any] = one.kwargs
            return options
    return {}
