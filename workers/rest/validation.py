"""What a view checks of a body before it hands the write over: its shape, and no unique value.

Whether a value is unique depends on the store, where only the writer sees what will be there. A check in the
web process would refuse a PUT with its own unchanged value, a create after a delete that is still queued, and
the repeat of a create by its Idempotency-Key. So DRF's validators give way to the constraint behind them; one
that has no constraint keeps its validator.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.core.exceptions import ValidationError as InvalidKey
from django.db.models import Field, Model, UniqueConstraint
from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.fields import CurrentUserDefault
from rest_framework.request import clone_request
from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer
from rest_framework.validators import BaseUniqueForValidator, UniqueTogetherValidator, UniqueValidator

from workers.rest.serializers import UNIQUENESS, SharedFieldsMixin, shared

if TYPE_CHECKING:
    # Not at run time: DRF's views import this package for their parsers and renderers.
    from rest_framework.generics import GenericAPIView

NAMED_AT_MOST = 20
NAME_MAX_CHARACTERS = 50
"""Of what the client made up; a name may be as long as the body."""

FieldErrors = dict[str, list[str]]


def validated_data(view: "GenericAPIView", *, is_update: bool = False, partial: bool = False) -> Any:
    """Return what the view's serializer makes of the request's body. Raises ValidationError."""
    return checked_serializer(view, is_update=is_update, partial=partial).validated_data


def checked_serializer(
    view: "GenericAPIView", *, instance: Any = None, is_update: bool = False, partial: bool = False
) -> Any:
    """Return the view's serializer, which found the request's body valid. Raises ValidationError.

    An update without the instance is checked as far as it can be without.
    """
    serializer = view.get_serializer(instance, data=view.request.data, partial=partial)
    _leave_uniqueness_to_the_store(view, serializer, is_update=is_update)
    serializer.is_valid()
    errors = serializer.errors
    if getattr(view, "refuses_unknown_fields", True):
        unknown = unknown_fields(serializer, view.request.data)
        if unknown and (unknown := _without_what_is_shown(view, unknown)):
            errors = unknown | errors if isinstance(errors, dict) else errors or unknown
    if errors:
        raise ValidationError(errors)  # type: ignore[arg-type]  # a list of dicts for `many`
    return serializer


def key_in_path(view: "GenericAPIView") -> Any:
    """Return by which key the request names its object.

    Raises Http404 for one that its field cannot hold, as a GET does; the writer would fail the write.
    """
    key = view.kwargs[view.lookup_url_kwarg or view.lookup_field]
    queryset: Any = getattr(view, "queryset", None)
    if queryset is None:
        return key
    options = queryset.model._meta
    try:
        field = options.pk if view.lookup_field == "pk" else options.get_field(view.lookup_field)
    except FieldDoesNotExist:  # a lookup through relations, or of the view's own
        return key
    try:
        if isinstance(field, Field):
            field.to_python(key)
    except (InvalidKey, ValueError, TypeError, ArithmeticError) as exc:
        raise Http404 from exc
    return key


def unknown_fields(serializer: BaseSerializer, data: Any) -> FieldErrors:
    """Return a message for each name in the data that is no field, in nested serializers too.

    Fields that are only read are known: who read an object sends them back.
    """
    errors = {}
    for place, fields in _unknown(serializer, data, ""):
        known = ", ".join(sorted(name for name, field in fields.items() if not field.read_only))
        errors[place] = [f"This field is not known. Known are: {known}."]
        if len(errors) == NAMED_AT_MOST:
            break
    return errors


def _unknown(serializer: Any, data: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place of each unknown name, and the fields that are known there."""
    if isinstance(serializer, ListSerializer):
        if isinstance(data, list):
            for number, one in enumerate(data):
                yield from _unknown(serializer.child, one, f"{place}{number}.")
        return
    if not isinstance(serializer, Serializer) or not isinstance(data, Mapping):
        return
    fields: Mapping[str, Any] = (
        shared(type(serializer), serializer.partial)
        if isinstance(serializer, SharedFieldsMixin)
        else serializer
    ).fields
    is_form = hasattr(data, "getlist")
    for name in data:
        if is_form:  # names what is nested as a.b and a[0]
            name = name.partition(".")[0].partition("[")[0]
        if name not in fields and not (is_form and name == "csrfmiddlewaretoken"):
            yield f"{place}{name[:NAME_MAX_CHARACTERS]}", fields
    if not is_form:
        for name, field in fields.items():
            if name in data and isinstance(field, BaseSerializer) and not field.read_only:
                yield from _unknown(field, data[name], f"{place}{name}.")


def _without_what_is_shown(view: "GenericAPIView", unknown: FieldErrors) -> FieldErrors:
    """Return the errors without fields that another serializer of this view shows on GET."""
    if not hasattr(view, "retrieve"):
        return unknown
    reading = copy(view)
    reading.request = clone_request(view.request, "GET")
    reading.action = "retrieve"  # type: ignore[attr-defined]  # viewsets have it
    shown = getattr(reading.get_serializer(), "fields", {})
    return {name: messages for name, messages in unknown.items() if name not in shown}


def leave_uniqueness_to_the_store(serializer: BaseSerializer) -> None:
    """Take the validators of uniqueness away, except those without a constraint in the store."""
    for holder, fields in _holders(serializer):
        _drop_what_the_store_checks(holder, fields)


def tell_current_user(serializer: BaseSerializer, user: Any) -> None:
    """Have the serializer's CurrentUserDefaults be this user, where it has no request to ask."""
    for holder, fields in _holders(serializer):
        if fields is None and isinstance(holder.default, CurrentUserDefault):
            holder.default = user


def _leave_uniqueness_to_the_store(
    view: "GenericAPIView", serializer: BaseSerializer, *, is_update: bool = False
) -> None:
    """Take the validators of uniqueness away, except those without a constraint in the store.

    For an update these need the instance: what `is_update` and has none is given it.
    """
    kept = [one for holder in _holders(serializer) for one in _drop_what_the_store_checks(*holder)]
    if not kept or not (is_update or serializer.instance):
        return
    serializer.instance = serializer.instance or _stored(view)
    for holder, fields in _holders(serializer):
        if serializer.instance is None:  # which the writer will say
            holder.validators = [one for one in holder.validators if not isinstance(one, UNIQUENESS)]
        elif fields is not None:
            holder.validators = [
                _completed(one) if isinstance(one, BaseUniqueForValidator) else one
                for one in holder.validators
            ]


def _stored(view: "GenericAPIView") -> Model | None:
    """Return the object that the request names."""
    key = view.kwargs[view.lookup_url_kwarg or view.lookup_field]
    try:
        return view.get_queryset().filter(**{view.lookup_field: key}).first()
    except (TypeError, ValueError, InvalidKey):
        return None


def _holders(serializer: Any) -> Iterator[tuple[Any, Mapping[str, Any] | None]]:
    """Yield the fields and serializers that have validators; serializers with their fields."""
    if isinstance(serializer, ListSerializer):
        yield from _holders(serializer.child)
    elif isinstance(serializer, SharedFieldsMixin):
        return  # has none, see workers/rest/serializers.py
    elif isinstance(serializer, Serializer):
        yield serializer, serializer.fields
        for field in serializer.fields.values():
            if isinstance(field, BaseSerializer):
                yield from _holders(field)
            elif not field.read_only:
                yield field, None


def _drop_what_the_store_checks(holder: Any, fields: Mapping[str, Any] | None) -> list[Any]:
    """Take validators away that have a constraint behind them; return those of uniqueness that stay."""
    stay = [one for one in holder.validators if not _is_constraint(one, holder, fields)]
    if len(stay) != len(holder.validators):
        holder.validators = stay
    return [one for one in stay if isinstance(one, UNIQUENESS)]


def _is_constraint(validator: Any, holder: Any, fields: Mapping[str, Any] | None) -> bool:
    """Return whether the store itself checks what this validator does."""
    if isinstance(validator, UniqueValidator) and fields is None:
        names = {holder.source_attrs[-1]}
        return validator.lookup == "exact" and _is_unique(validator.queryset.model, names)
    if isinstance(validator, UniqueTogetherValidator) and fields is not None:
        return _is_unique(validator.queryset.model, {fields[name].source for name in validator.fields})
    return False


def _is_unique(model: type[Model], names: set[str]) -> bool:
    """Return whether a constraint of the store says that these fields are unique together."""
    for one in (model, *model._meta.parents):
        if names in [set(together) for together in one._meta.unique_together]:
            return True
        if any(isinstance(c, UniqueConstraint) and set(c.fields) == names for c in one._meta.constraints):
            return True
    try:
        return len(names) == 1 and bool(model._meta.get_field(next(iter(names))).unique)  # type: ignore[union-attr]  # relations without it are no names of constraints
    except FieldDoesNotExist:
        return False


def _completed(validator: BaseUniqueForValidator) -> Any:
    """Return the validator for an update, which need not send what the instance has."""

    def validate(attrs: Mapping[str, Any], serializer: Any) -> None:
        stored = {}
        for name in (validator.field, validator.date_field):
            stored[name] = getattr(serializer.instance, serializer.fields[name].source, None)
        validator({**stored, **attrs}, serializer)

    validate.requires_context = True  # type: ignore[attr-defined]  # how DRF knows what to pass
    return validate
