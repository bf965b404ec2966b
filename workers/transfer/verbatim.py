"""Which fields are taken from a file: those that clients may write or, verbatim, all that was exported."""

from collections.abc import Sequence
from functools import cache
from typing import cast

from django.core.management.base import CommandError
from django.db.models import Model
from rest_framework.fields import HiddenField
from rest_framework.serializers import ModelSerializer, Serializer


def taken_fields(serializer: Serializer) -> Sequence[str]:
    """Return the names of the fields that a file may give."""
    return [
        name
        for name, field in serializer.fields.items()
        if not field.read_only and not isinstance(field, HiddenField)
    ]


@cache
def verbatim(serializer_class: type[ModelSerializer]) -> type[ModelSerializer]:
    """Return the serializer with all its fields writable. Raises CommandError where one is no column."""
    former, model = serializer_class.Meta, cast(type[Model], serializer_class.Meta.model)
    columns = {field.name for field in model._meta.concrete_fields}
    names = list(serializer_class().fields)
    for name in names:
        if name not in columns:
            raise CommandError(f"The field {name} is no column, so rows cannot be taken --verbatim.")
    own = getattr(former, "extra_kwargs", {})
    given = {
        "read_only_fields": (),
        "extra_kwargs": {name: {**own.get(name, {}), "read_only": False} for name in names},
    }
    meta = type("Meta", (former,), given)
    made = type(f"Verbatim{serializer_class.__name__}", (serializer_class,), {"Meta": meta})
    for name, field in made().fields.items():
        if field.read_only:
            raise CommandError(f"The field {name} can only be read, so rows cannot be taken --verbatim.")
    return made
