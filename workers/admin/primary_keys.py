"""Primary keys as receipts have them, as texts, in the types of their models."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model


def key_of(model: type[Model], text: object) -> Any:
    """Return the primary key that a text is, or None when no object of the model can have it."""
    field: Any = model._meta.pk
    try:
        key = field.to_python(text)
        field.run_validators(key)  # with the range of the column, past which SQLite refuses to look
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return None
    return key
