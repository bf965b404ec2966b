"""Conditional requests (RFC 9110, 13): a tag that GET hands out is checked in the writer; else it is refused.

An object's entity tag is what the view's `get_entity_tag` makes of its representation, else a digest of it.
To check a tag the writer asks the same view what GET would return at that moment, just before it applies the
write: the write function knows nothing of it.
"""

import hashlib
import inspect
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ObjectDoesNotExist
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject
from django.utils.http import parse_http_date_safe
from rest_framework.request import Request
from rest_framework.response import Response

from workers.conf import settings
from workers.encoding.exact_json import to_json
from workers.exceptions import WriteRejected
from workers.rest import headers
from workers.rest.bases import ViewBase
from workers.rest.errors import ProblemError
from workers.rest.responses import principal_of
from workers.stream.conditions import BY, CONDITION, name_of

ENVIRON = ("SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT")
"""What the writer is told of the request, for representations that depend on it."""


class ConditionsMixin(ViewBase):
    """A view whose objects have entity tags, and whose writes may have conditions."""

    instead_of_conditions = "this request names no stored object that has an entity tag."
    """Why a condition is refused where there is no object."""

    def get_entity_tag(self, body: Any) -> str | None:
        """Return the entity tag, without quotes, of an object that is shown so; None for a digest of it.

        Override it where something cheap tells versions apart. It is then handed out with the responses to
        writes too, whose bodies are what the write function returned.
        """
        return None

    def stored_response(self) -> Response:
        """Return what GET would return now, in the writer. Raises Http404 when there is nothing.

        The request has the user, the path and the query of the request that wants to write, and no body.
        Override it where `retrieve` needs more than that.
        """
        if not hasattr(self, "retrieve"):
            return Response(self.get_serializer(self.get_object()).data)
        # Without decorators: a cache would return what was stored once.
        retrieve = inspect.unwrap(type(self).retrieve)
        response: Response = retrieve(self, self.request, *self.args, **self.kwargs)
        return response

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        is_shown = (
            request.method in {"GET", "HEAD"} and response.status_code == 200 and _names_an_object(self)
        )
        if is_shown and getattr(self, "action", "retrieve") == "retrieve" and isinstance(response, Response):
            response["ETag"] = _entity_tag(self, response)
        return response

    @classmethod
    def check_condition(cls, condition: Mapping[str, Any]) -> None:
        """Raise WriteRejected (412) unless the condition holds for what is stored. Called by the writer."""
        with translation.override(condition["language"]), timezone.override(condition["timezone"]):
            view = _view(cls, condition)
            try:
                response: Response | None = view.stored_response()
            except (Http404, ObjectDoesNotExist):
                response = None
            failed = _failed(condition, view, response)
        if failed:
            raise WriteRejected(412, "precondition_failed", f"{failed[0]}: {failed[1]}")


def condition_of(view: Any) -> dict[str, Any]:
    """Return the argument that carries this request's condition, or nothing without one.

    Raises ProblemError for a condition that could only be ignored, and for the lack of one that is required.
    """
    request: Request = view.request
    match = headers.entity_tags(request, "If-Match")
    none_match = headers.entity_tags(request, "If-None-Match")
    unmodified_since = _unmodified_since(request) if match is None else None  # RFC 9110, 13.1.4
    is_required = settings.WRITE_REQUIRE_IF_MATCH and request.method in {"PUT", "PATCH", "DELETE"}
    given = [one for one in (match, none_match, unmodified_since) if one is not None]
    if not given and not is_required:
        return {}
    if not _names_an_object(view):
        _refuse(view, match, none_match)
        return {}
    if (name := name_of(type(view))) is None:
        if given:
            raise ProblemError(
                400,
                "invalid_header",
                f"{type(view).__name__} cannot check conditions: it is "
                "made at run time, where the writer cannot import it.",
            )
        return {}
    if is_required and match is None:
        raise ProblemError(428, "precondition_required", "Send If-Match with the ETag that you read.")
    if not given:
        return {}
    condition = {BY: name, "match": match, "none_match": none_match, "unmodified_since": unmodified_since}
    return {CONDITION: condition | _circumstances(view)}


def _unmodified_since(request: Request) -> int | None:
    """Return the moment in If-Unmodified-Since; what is no date is to be ignored."""
    raw = request.META.get("HTTP_IF_UNMODIFIED_SINCE")
    return parse_http_date_safe(raw) if raw else None


def _refuse(view: Any, match: list[str] | None, none_match: list[str] | None) -> None:
    """Raise ProblemError for a condition where there is no object whose tags could be compared."""
    if match is not None:
        raise headers.invalid("If-Match", view.instead_of_conditions)
    if none_match is headers.ANY:
        raise ProblemError(412, "precondition_failed", "If-None-Match: what this request names exists.")
    if none_match is not None:
        raise headers.invalid("If-None-Match", view.instead_of_conditions)


def _names_an_object(view: Any) -> bool:
    name = getattr(view, "lookup_url_kwarg", None) or getattr(view, "lookup_field", None)
    return name is not None and name in view.kwargs


def _circumstances(view: Any) -> dict[str, Any]:
    """Return on what a representation may depend, beside what is stored."""
    request: Request = view.request
    meta = request.META
    return {
        "kwargs": view.kwargs,
        "basename": getattr(view, "basename", None),
        "principal": principal_of(request),
        "environ": {name: meta[name] for name in ENVIRON if name in meta}
        | {"HTTP_HOST": request.get_host(), "wsgi.url_scheme": request.scheme},
        "language": translation.get_language(),
        "timezone": timezone.get_current_timezone_name(),
    }


def _view(view_class: Any, condition: Mapping[str, Any]) -> Any:
    """Return the view as it stands before it serves the GET of the object that is to be written."""
    view = view_class()
    view.args, view.kwargs, view.format_kwarg = (), dict(condition["kwargs"]), None
    view.basename, view.detail, view.action, view.action_map = condition["basename"], True, "retrieve", {}
    environ = dict(condition["environ"]) | {"REQUEST_METHOD": "GET", "wsgi.input": BytesIO()}
    request = view.request = view.initialize_request(WSGIRequest(environ))
    request.user = SimpleLazyObject(lambda: _user(condition["principal"]))
    request.accepted_renderer, request.accepted_media_type = view.perform_content_negotiation(
        request, force=True
    )
    request.version, request.versioning_scheme = view.determine_version(request, **view.kwargs)
    # Who may write is the write function's to say.
    view.check_object_permissions = lambda request, obj: None
    return view


def _user(principal: str) -> Any:
    user = get_user_model()._default_manager.filter(pk=principal).first() if principal else None
    return user or AnonymousUser()


def _entity_tag(view: Any, response: Response) -> str:
    """Return the tag with its quotes; a view may have set one of its own."""
    if response.has_header("ETag"):
        return str(response["ETag"])
    tag = view.get_entity_tag(response.data)
    return f'"{_digest(response.data) if tag is None else tag}"'


def _digest(body: Any) -> str:
    return hashlib.blake2b(to_json(body, other=str), digest_size=16).hexdigest()


def _failed(condition: Mapping[str, Any], view: Any, response: Response | None) -> tuple[str, str] | None:
    """Return the header that does not hold, and why; None when all do. In the order of RFC 9110, 13.2.2."""
    match, none_match = condition["match"], condition["none_match"]
    if response is None:
        return None if match is None else ("If-Match", "there is nothing here, or no longer.")
    tag = _entity_tag(view, response)
    if match is not None:
        # Strong comparison: a weak tag, of either side, matches nothing.
        if match != headers.ANY and (tag.startswith("W/") or tag not in match):
            return "If-Match", "it has changed since it had this entity tag. Read it again."
    elif (since := condition["unmodified_since"]) is not None:
        modified = parse_http_date_safe(response.get("Last-Modified", ""))
        if modified is not None and modified > since:
            return "If-Unmodified-Since", "it has changed since. Read it again."
    if none_match is None:
        return None
    if none_match == headers.ANY or tag.removeprefix("W/") in {one.removeprefix("W/") for one in none_match}:
        return "If-None-Match", "it exists, and has this entity tag."
    return None
