"""A serializer for the path of every write: its fields are made once, not for each request as in DRF."""

from functools import cache
from typing import Any

from rest_framework.fields import empty
from rest_framework.serializers import Serializer


class SharedFieldsMixin:
    """Validates with fields that are made once for the class, not once for each request.

    For serializers whose validation looks at the data alone: fields and `validate()` methods find no context
    and no instance. What depends on them, or on the store, belongs to the write function. Stands before the
    serializer class in the bases.
    """

    partial: bool

    def run_validation(self, data: Any = empty) -> Any:
        """Return the validated data. Raises ValidationError, with the same messages as without this mixin."""
        shared = _shared(type(self), self.partial)  # type: ignore[arg-type]  # classes are hashable
        return super(SharedFieldsMixin, shared).run_validation(data)  # type: ignore[misc]


@cache
def _shared(serializer_class: Any, partial: bool) -> Serializer:
    """Return the one instance whose fields all validation of its class goes through; it keeps no state."""
    shared: Serializer = serializer_class(partial=partial)
    return shared
