"""Serializers for the path of every write."""

from functools import cache
from typing import Any

from rest_framework.fields import CharField, empty
from rest_framework.serializers import Serializer
from rest_framework.validators import BaseUniqueForValidator, UniqueTogetherValidator, UniqueValidator

UNIQUENESS = (UniqueValidator, UniqueTogetherValidator, BaseUniqueForValidator)
"""Validators that look into the store."""


class StrictCharField(CharField):
    """A text that must be a JSON string; DRF's own field also takes numbers."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SharedFieldsMixin:
    """Validates with fields that are made once for the class, not once for each request.

    For serializers whose validation looks at the data alone: fields and `validate()` methods find no context
    and no instance. What depends on them, or on the store, belongs to the write function: DRF's validators of
    uniqueness are taken away. Stands before the serializer class in the bases.
    """

    partial: bool

    def run_validation(self, data: Any = empty) -> Any:
        """Return the validated data. Raises ValidationError, with the same messages as without this mixin."""
        one = shared(type(self), self.partial)  # type: ignore[arg-type]  # classes are hashable
        return super(SharedFieldsMixin, one).run_validation(data)  # type: ignore[misc]  # a serializer stands behind it in the bases


@cache
def shared(serializer_class: Any, partial: bool) -> Serializer:
    """Return the one instance whose fields all validation of its class goes through; it keeps no state."""
    one: Serializer = serializer_class(partial=partial)
    for holder in (one, *one.fields.values()):
        if hasattr(holder, "validators"):
            holder.validators = [v for v in holder.validators if not isinstance(v, UNIQUENESS)]
    return one
