"""Who asked for a write: a text in the stream and in receipts, a user in write functions."""

from typing import Any

from django.contrib.auth import get_user_model
from django.utils.module_loading import import_string

ANONYMOUS = "django.contrib.auth.models.AnonymousUser"
"""By its name: models can be imported only when all apps are loaded."""


def key_of(principal: str) -> Any:
    """Return the primary key of the user in its own type, or None for nobody in particular."""
    return get_user_model()._meta.pk.to_python(principal) if principal else None


def user_of(principal: str) -> Any:
    """Return the user as stored now; Django's AnonymousUser for nobody, and for one that is gone."""
    key = key_of(principal)
    user = None if key is None else get_user_model()._default_manager.filter(pk=key).first()
    return user or import_string(ANONYMOUS)()
