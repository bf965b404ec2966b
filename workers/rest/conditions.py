"""Conditional requests (RFC 9110, 13): a tag that GET hands out is checked in the writer; else it is refused.

An object's entity tag is what the view's `get_entity_tag` makes of its representation, else a digest of it.
To check a tag the writer asks the same view what GET would return at that moment, just before it applies the
write: the write function knows nothing of it.
"""

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.http import Http404
from django.utils.http import parse_http_date_safe
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from workers.conf import settings
from workers.encoding.exact_json import to_json
from workers.exceptions import WriteRejected
from workers.registry import name_of
from workers.rest import headers
from workers.rest.errors import ProblemError, ProblemsMixin
from workers.rest.rebuilding import as_get, circumstances, rebuilt
from workers.stream.conditions import BY, CONDITION


class ConditionsMixin(ProblemsMixin):
    """A view whose objects have entity tags, and whose writes may have conditions."""

    instead_of_conditions = "this request names no stored object that has an entity tag."
    """Why a condition is refused where there is no object."""

    check_object_in_writer: bool | None = None
    """Whether the writer asks `get_object` first, so that 404 and 403 are as for a GET of the same user.

    None: where the view has a `get_queryset` of its own, or permissions with `has_object_permission`.
    """

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
            response["ETag"] = entity_tag(self, response)
        return response

    @classmethod
    def check_condition(cls, condition: Mapping[str, Any]) -> None:
        """Raise WriteRejected (412) unless the condition holds for what is stored. Called by the writer.

        Before that, where the object is to be checked, what its user may not see or do is 404 or 403.
        """
        is_asked = any(condition[name] is not None for name in ("match", "none_match", "unmodified_since"))
        if condition.get("checks_object"):
            try:
                with rebuilt(cls, condition) as view:
                    view.get_object()
            except Http404:
                if condition["match"] is None:  # which cannot hold, and is told below
                    raise
        if not is_asked:
            return
        with rebuilt(cls, as_get(condition)) as view:
            # Who may write is the write function's to say, or was said above.
            view.check_object_permissions = lambda request, obj: None
            try:
                response: Response | None = view.stored_response()
            except (Http404, ObjectDoesNotExist):
                response = None
            failed = _failed(condition, view, response)
        if failed:
            raise WriteRejected(412, "precondition_failed", f"{failed[0]}: {failed[1]}")


def condition_of(view: Any, *, by_view: bool = False) -> dict[str, Any]:
    """Return the argument that carries this request's condition, or nothing without one.

    `by_view` says that the write function asks for the object as the view does.
    Raises ProblemError for a condition that could only be ignored, and for the lack of one that is required.
    """
    request: Request = view.request
    match = headers.entity_tags(request, "If-Match")
    none_match = headers.entity_tags(request, "If-None-Match")
    unmodified_since = _unmodified_since(request) if match is None else None  # RFC 9110, 13.1.4
    is_required = settings.WRITE_REQUIRE_IF_MATCH and request.method in {"PUT", "PATCH", "DELETE"}
    given = [one for one in (match, none_match, unmodified_since) if one is not None]
    checks_object = _checks_object(view)
    if not given and not is_required and (by_view or not checks_object):
        return {}
    if not _names_an_object(view):
        _refuse(view, match, none_match)
        return {}
    if (name := name_of(type(view))) is None:
        if checks_object and not by_view:
            raise ImproperlyConfigured(
                f"{type(view).__name__} is made at run time, where the writer cannot import it to check who "
                "may write which object. Make it a class of a module, or set check_object_in_writer to False."
            )
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
    if not given and (by_view or not checks_object):
        return {}
    condition = {BY: name, "match": match, "none_match": none_match, "unmodified_since": unmodified_since}
    return {CONDITION: condition | {"checks_object": checks_object} | circumstances(view)}


def _checks_object(view: Any) -> bool:
    """Return whether the request names an object that not everybody may write."""
    if not _names_an_object(view):
        return False
    if view.check_object_in_writer is not None:
        return bool(view.check_object_in_writer)
    # By its module: DRF's generic views import this package, and cannot be imported here.
    return type(view).get_queryset.__module__ != "rest_framework.generics" or any(
        type(one).has_object_permission is not BasePermission.has_object_permission
        for one in view.get_permissions()
    )


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


def entity_tag(view: Any, response: Response) -> str:
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
    tag = entity_tag(view, response)
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
