"""Who asks, in tests that are about something else."""

from django.contrib.auth.models import User


def superuser() -> User:
    """Return a stored user who may do everything: the writer asks the store for permissions."""
    return User.objects.get_or_create(pk=1, defaults={"username": "root", "is_superuser": True})[0]
