"""Who asked, by name: receipts and waiting writes know the primary key of a user, as a text."""

from collections.abc import Iterable

from django.contrib.auth import get_user_model

from workers.admin.primary_keys import key_of


def names_of(principals: Iterable[str]) -> dict[str, str]:
    """Return the names of those who are users, by principal."""
    model = get_user_model()
    keys = [key for principal in set(principals) if (key := key_of(model, principal)) is not None]
    users = model._default_manager.in_bulk(keys)
    return {str(key): user.get_username() for key, user in users.items()}


def principals_named(name: str) -> list[str]:
    """Return the principal of the user of this name, if there is one."""
    model = get_user_model()
    found = model._default_manager.filter(**{model.USERNAME_FIELD: name}).values_list("pk", flat=True)
    return [str(key) for key in found]
