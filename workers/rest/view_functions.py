"""The write functions of a view that names none: in the writer, the view does what DRF's would have done.

`notes.views:NoteViewSet.create` is such a name. Its write carries the body as it was sent. The writer makes
the view once more and lets it judge who asks and the object by its permissions, validate the body by its
serializer, and save, through `perform_create`, `perform_update` and `perform_destroy`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.http import Http404
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from workers import principals
from workers.exceptions import FileArgument
from workers.registry import name_of
from workers.rejections import rejection_of
from workers.rest.bases import ViewBase
from workers.rest.conditions import ConditionsMixin, entity_tag
from workers.rest.rebuilding import INACTIVE, as_get, circumstances, rebuilt, received_body, sent_body
from workers.rest.validation import checked_serializer, key_in_path
from workers.writes import Result, Write

VIEW = "$view"
"""The name among the arguments under which the circumstances of the view stand."""


class ViewFunctionsMixin(ViewBase):
    """A view that can be asked by the writer to apply its writes."""

    check_permissions_in_writer = True
    """Whether the writer asks `has_permission` of its permissions once more, of who asked, as stored then.

    False where they need what the writer does not have: a session, `request.auth`, other headers.
    """

    @classmethod
    def write_function_for(cls, operation: str) -> Callable[[Write], Result]:
        """Return the write function of this view for `create`, `update` or `destroy`. Raises LookupError."""
        apply = OPERATIONS[operation]
        return lambda write: apply(cls, write)

    @classmethod
    def written_model(cls) -> type[Model] | None:
        """Return whose objects it writes, where their primary keys are the keys in its paths."""
        model: type[Model] | None = getattr(getattr(cls, "queryset", None), "model", None)
        has_keys = model is not None and cls.lookup_field in {"pk", model._meta.pk.name}
        return model if has_keys else None


def function_name(view: Any, operation: str) -> str:
    """Return the name of a view's own write function. Raises ImproperlyConfigured."""
    name = name_of(type(view))
    if name is None:
        raise ImproperlyConfigured(
            f"{type(view).__name__} is made at run time, where the writer cannot import it to apply its "
            f"writes. Make it a class of a module, or name a write function in {operation}_function."
        )
    return f"{name}.{operation}"


def arguments_of(view: Any, operation: str, *, partial: bool = False) -> dict[str, Any]:
    """Return what the writer needs to apply this request. Raises what refuses it at once.

    The body is checked by what is committed now. Whether the object is there, and all that may have changed
    until then, is the writer's to say.
    """
    for name in view.request.FILES:
        raise FileArgument(name, "a file")
    told: dict[str, Any] = {VIEW: circumstances(view)}
    if operation == "create":
        return told | sent_body(_writable(checked_serializer(view), view.request.data))
    if _name(view) in view.kwargs:  # not where the view finds its object by other means
        told["id"] = key_in_path(view)
    if operation == "destroy":
        return told
    data = view.request.data
    try:
        instance = view.get_object()
    except Http404:
        pass  # a write that is on its way may create it
    else:
        data = _writable(checked_serializer(view, instance=instance, partial=partial), data)
    return told | sent_body(data) | {"partial": partial}


def _writable(serializer: Any, data: Any) -> Any:
    """Return the body without fields that are only read: who read an object sends them back."""
    if type(data) is not dict or not isinstance(serializer, Serializer):
        return data
    ignored = {name for name, field in serializer.fields.items() if field.read_only}
    return {name: value for name, value in data.items() if name not in ignored}


def _create(view_class: type, write: Write) -> Result:
    with _view(view_class, write) as view:
        serializer = checked_serializer(view)
        _perform(view, "perform_create", serializer)
        name, key = _name(view), getattr(serializer.instance, view.lookup_field, None)
        body = serializer.data
        kwargs = {} if key is None else write.arguments[VIEW]["kwargs"] | {name: key}
        return Result(http_status=201, body=body, key=key, etag=_etag(view, write, serializer, kwargs))


def _update(view_class: type, write: Write) -> Result:
    with _view(view_class, write) as view:
        instance = view.get_object()
        serializer = checked_serializer(view, instance=instance, partial=write.arguments["partial"])
        _perform(view, "perform_update", serializer)
        if getattr(instance, "_prefetched_objects_cache", None):
            instance._prefetched_objects_cache = {}  # as DRF does: it may be of before the change
        body, name, kwargs = serializer.data, _name(view), write.arguments[VIEW]["kwargs"]
        if name in kwargs:  # which the write may have changed
            kwargs = kwargs | {name: getattr(serializer.instance, view.lookup_field, kwargs[name])}
        return Result(body=body, etag=_etag(view, write, serializer, kwargs))


def _destroy(view_class: type, write: Write) -> Result:
    with _view(view_class, write) as view:
        instance = view.get_object()
        perform = getattr(view, "perform_destroy", None)
        if perform is None:
            instance.delete()
        else:
            perform(instance)
        return Result(http_status=204)


OPERATIONS: dict[str, Callable[[Any, Write], Result]] = {
    "create": _create,
    "update": _update,
    "destroy": _destroy,
}


@contextmanager
def _view(view_class: type, write: Write) -> Iterator[Any]:
    """Give the view made once more. Raises what it raises for who may not ask this of it, or no longer."""
    body = received_body(write.arguments) if "data" in write.arguments else None
    with rebuilt(view_class, write.arguments[VIEW], body=body) as view:
        if view.check_permissions_in_writer:
            _check_permissions(view, write)
        try:
            yield view
        except Exception as exc:
            # Here, in the language of the request: messages of models and lazy texts are of their reader's.
            if (rejection := rejection_of(exc)) is not None:
                raise rejection from exc
            raise


def _check_permissions(view: Any, write: Write) -> None:
    """Ask as DRF does before its handlers; of a user who is read, with permissions, once in a batch.

    One who was deactivated since the request is nobody, as to each authentication of DRF's own.
    """
    request = view.request
    own = request.user
    user = principals.judged_user(write.principal)
    is_out = not getattr(user, "is_active", True) and INACTIVE not in write.arguments[VIEW]
    request.user = principals.judged_user("") if is_out else user
    try:
        view.check_permissions(request)
    finally:
        request.user = own


def _name(view: Any) -> str:
    """Return under which name a path has the key of an object."""
    return str(view.lookup_url_kwarg or view.lookup_field)


def _perform(view: Any, hook: str, serializer: Any) -> None:
    """Call the view's hook; a view with none of DRF's mixins has none."""
    perform = getattr(view, hook, None)
    if perform is None:
        serializer.save()
    else:
        perform(serializer)


def _etag(view: Any, write: Write, serializer: Any, kwargs: Mapping[str, Any]) -> str | None:
    """Return the entity tag that GET gives for what was written; None where there is no such GET."""
    if not hasattr(view, "retrieve") or _name(view) not in kwargs:
        return None
    with rebuilt(type(view), as_get({**write.arguments[VIEW], "kwargs": kwargs})) as reading:
        try:
            is_alike = reads_as_it_writes(type(view))  # type: ignore[arg-type]  # classes are hashable
            response = _shown(reading, serializer) if is_alike else reading.stored_response()
        except Http404:  # it may be hidden from who wrote it
            return None
        tag = entity_tag(reading, response)
    return None if tag.startswith("W/") else tag[1:-1]


@cache
def reads_as_it_writes(view_class: Any) -> bool:
    """Return whether GET shows an object by the same serializer, made in the same way, and by that alone."""
    serializer_class = view_class.serializer_class
    return (
        inspect.unwrap(view_class.retrieve) is RetrieveModelMixin.retrieve
        and view_class.stored_response is ConditionsMixin.stored_response
        and all(
            getattr(owner, name).__module__.startswith("rest_framework.")
            for owner, name in (
                *((view_class, name) for name in ("get_serializer", "get_serializer_class")),
                *((serializer_class, name) for name in ("__init__", "get_fields")),
            )
        )
    )


def _shown(reading: Any, serializer: Any) -> Response:
    """Return what GET shows, by the serializer that wrote it: to make another one takes the longest."""
    serializer.instance, serializer._context = reading.get_object(), reading.get_serializer_context()
    del serializer._data
    return Response(serializer.data)
