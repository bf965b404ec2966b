"""Mixins for DRF's generic views and viewsets: validate here, write in the writer, respond with the outcome.

    class NoteViewSet(QueuedWritesMixin, ModelViewSet):
        queryset = Note.objects.all()
        serializer_class = NoteSerializer

The writer then applies the writes through the view itself: view_functions.py. A view may name write functions
of its own in `create_function`, `update_function` and `destroy_function`. They get the validated data as
`write.arguments["data"]`; updates and deletes also `"id"`, and `"if_match"` (a list of entity tags without
quotes, or None), which was checked when they run.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils.cache import patch_vary_headers
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workers import registry
from workers.exceptions import WritePathError
from workers.rest import headers, responses
from workers.rest.conditions import ConditionsMixin, condition_of
from workers.rest.errors import problem_of
from workers.rest.handing_over import Arguments, hand_over
from workers.rest.reading import ReadAfterMixin as ReadAfterMixin
from workers.rest.responses import body_for, principal_of, queued_response, raise_unless_committed
from workers.rest.validation import key_in_path, validated_data
from workers.rest.view_functions import VIEW, ViewFunctionsMixin, arguments_of, function_name
from workers.stream.conditions import CONDITION
from workers.submission import idempotency
from workers.writes import Outcome

if TYPE_CHECKING:
    # Not at run time: DRF's views import this package for their parsers and renderers.
    from rest_framework.generics import GenericAPIView


class QueuedWriteMixin(ConditionsMixin):
    """Hands writes over and turns outcomes into responses. The base of the mixins below."""

    def perform_write(self, function: str, arguments: Arguments | Callable[[], Arguments]) -> Response:
        """Submit a write for this request, wait as the client prefers, and respond.

        Where the request repeats an earlier one, what makes the arguments is not called: it might find what
        was valid then no longer so.
        A condition of the request is checked by the writer, for the object that the request's path names.
        Raises ProblemError for whatever is not a success.
        """
        preferences = headers.prefer(self.request)
        principal = principal_of(self.request)
        if not principal and registry.needs_permission(function):
            # The writer takes a write without a principal for the program's own, which may do everything.
            self.permission_denied(self.request)

        def with_condition() -> Arguments:
            given = arguments() if callable(arguments) else arguments
            return given if CONDITION in given else {**given, **condition_of(self, by_view=VIEW in given)}

        try:
            outcome, write_id = hand_over(
                function,
                with_condition,
                principal=principal,
                once=self._idempotency(principal),
                preferences=preferences,
                size=int(self.request.META.get("CONTENT_LENGTH") or 0),
            )
        except WritePathError as exc:
            raise problem_of(exc) from exc
        response = queued_response(write_id) if outcome is None else self._settled(outcome, preferences)
        response["Write-Id"] = str(write_id)
        if preferences.applied():
            response["Preference-Applied"] = preferences.applied()
        patch_vary_headers(response, ["Prefer"])
        return response

    def get_result_headers(self, outcome: Outcome) -> dict[str, str]:
        """Return the headers that follow from what a committed write did; override where there are any."""
        return {}

    def _idempotency(self, principal: str) -> idempotency.Idempotency | None:
        key = headers.idempotency_key(self.request)
        if key is None:
            return None
        request: Request = self.request
        what = [request.method, request.get_full_path(), request.data, request.META.get("HTTP_IF_MATCH")]
        what += [
            request.META[name]
            for name in ("HTTP_IF_NONE_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
            if name in request.META
        ]
        return idempotency.from_key(key, principal=principal, request=what)

    def _settled(self, outcome: Outcome, preferences: headers.Prefer) -> Response:
        raise_unless_committed(outcome)
        extra = self.get_result_headers(outcome)
        if outcome.http_status == status.HTTP_204_NO_CONTENT:
            return Response(status=outcome.http_status, headers=extra)
        if preferences.minimal:
            # 201 says that something was created; anything else without a body is 204.
            minimal = (
                outcome.http_status
                if outcome.http_status == status.HTTP_201_CREATED
                else status.HTTP_204_NO_CONTENT
            )
            return Response(status=minimal, headers=extra)
        return Response(body_for(self.request, outcome), status=outcome.http_status, headers=extra)


class _ObjectWriteMixin(ViewFunctionsMixin, QueuedWriteMixin):
    """A write whose result shows one object."""

    refuses_unknown_fields = True
    """Whether a name in the body that is no field of the serializer is 400, or ignored."""

    def _apply_by_view(self, operation: str, *, partial: bool = False) -> Response:
        """Hand over a write that the writer applies through this view."""
        return self.perform_write(
            function_name(self, operation), lambda: arguments_of(self, operation, partial=partial)
        )

    def get_result_location(self, outcome: Outcome) -> str | None:
        """Return the path of what a write created: the detail route of this viewset, for its key."""
        basename = getattr(self, "basename", None)
        key = outcome.key if outcome.key is not None else _id_in(outcome)
        if not basename or key is None:
            return None
        match = self.request.resolver_match
        namespace = match.namespace if match else ""
        route = f"{namespace}:{basename}-detail" if namespace else f"{basename}-detail"
        # A version or a parent stands in the paths of its objects too.
        name = self.lookup_url_kwarg or self.lookup_field
        return responses.detail_path(route, key, name=name, around=self.kwargs)

    def get_result_headers(self, outcome: Outcome) -> dict[str, str]:
        extra: dict[str, str] = {}
        if outcome.http_status == status.HTTP_201_CREATED:
            if location := self.get_result_location(outcome):
                extra["Location"] = location
            extra |= self._own_success_headers(outcome)
        tag = outcome.etag
        if tag is None and type(self).get_entity_tag is not ConditionsMixin.get_entity_tag:
            # The function did not say, but the view knows how to tell from the body.
            tag = self.get_entity_tag(outcome.json())
        if tag is not None:
            extra["ETag"] = f'"{tag}"'
        return extra

    def _own_success_headers(self, outcome: Outcome) -> dict[str, str]:
        """Return what a `get_success_headers` of the viewset's own says; DRF's tells the location alone."""
        own: Any = getattr(self, "get_success_headers", None)
        if own is None or own.__module__ == "rest_framework.mixins":
            return {}
        return {name: str(value) for name, value in own(outcome.json()).items()}


def _id_in(outcome: Outcome) -> str | None:
    """Return the `id` in the body, for receipts of former versions, which have no key."""
    body = outcome.json()
    key = body.get("id") if isinstance(body, dict) else None
    return None if key is None else str(key)


class QueuedCreateMixin(_ObjectWriteMixin):
    """POST on the list."""

    create_function: str | None = None
    """The write function; None for what `perform_create` does, in the writer."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if self.create_function is None:
            return self._apply_by_view("create")
        return self.perform_write(self.create_function, {"data": validated_data(self)})


class QueuedUpdateMixin(_ObjectWriteMixin):
    """PUT and PATCH on one object. Whether it exists is the writer's to say."""

    update_function: str | None = None
    """The write function; None for what `perform_update` does, in the writer."""

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        if self.update_function is None:
            return self._apply_by_view("update", partial=partial)
        target = _target(self)
        arguments = target | {"data": validated_data(self, is_update=True, partial=partial)}
        return self.perform_write(self.update_function, arguments)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)


class QueuedDestroyMixin(_ObjectWriteMixin):
    """DELETE on one object. Whether it exists is the writer's to say."""

    destroy_function: str | None = None
    """The write function; None for what `perform_destroy` does, in the writer."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if self.destroy_function is None:
            return self._apply_by_view("destroy")
        return self.perform_write(self.destroy_function, _target(self))


def _target(view: "GenericAPIView") -> dict[str, Any]:
    """Return which object the request names, and under which condition. Raises Http404 for no key."""
    key = key_in_path(view)
    return {"id": key, "if_match": headers.if_match(view.request), **condition_of(view)}


class QueuedWritesMixin(ReadAfterMixin, QueuedCreateMixin, QueuedUpdateMixin, QueuedDestroyMixin):
    """All of them, for a ModelViewSet. Stands before it in the bases."""
