"""Who asks, in tests that are about something else."""

from django.contrib.auth.models import User

from tests.chosen_keys import create_with_key


def superuser() -> User:
    """Return a stored user who may do everything: the writer asks the store for permissions."""
    return User.objects.filter(pk=1).first() or create_with_key(User, 1, username="root", is_superuser=True)
