"""Who asked for a write, as the store knows them."""

from typing import Any

from django.contrib.auth import get_user_model

from workers.writes import Write


def user_id(write: Write) -> Any:
    """Return the primary key of the user who asked, in its own type, or None for nobody in particular."""
    return get_user_model()._meta.pk.to_python(write.principal) if write.principal else None
