"""Who asked for a write: a text in the stream and in receipts, a user in write functions."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property
from typing import Any

from django.apps import apps
from django.contrib.auth import get_backends, get_user_model
from django.core.exceptions import ValidationError
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils.module_loading import import_string

ANONYMOUS = "django.contrib.auth.models.AnonymousUser"
"""By its name, as the next two: models can be imported only when all apps are loaded."""
PERMISSIONS_MIXIN = "django.contrib.auth.models.PermissionsMixin"
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"

_batch: ContextVar["_Batch | None"] = ContextVar("batch", default=None)


def key_of(principal: str) -> Any:
    """Return the primary key of the user in its own type, or None for nobody in particular."""
    return get_user_model()._meta.pk.to_python(principal) if principal else None


def user_of(principal: str) -> Any:
    """Return the user as stored now; Django's AnonymousUser for nobody, and for one that is gone."""
    key = key_of(principal)
    user = None if key is None else get_user_model()._default_manager.filter(pk=key).first()
    return user or import_string(ANONYMOUS)()


@contextmanager
def judged_once(principals: Iterable[str]) -> Iterator[None]:
    """Have the permissions of these users read once in the block, together: it is the transaction of a batch.

    What changes in it while it is open, changes by a write of this batch, and is noticed by Django's signals.
    """
    _listen()
    token = _batch.set(_Batch({one for one in principals if one}))
    try:
        yield
    finally:
        _batch.reset(token)


def judged_user(principal: str) -> Any:
    """Return the user to ask for permissions, and for nothing else: it is shared by the writes of a batch."""
    batch = _batch.get() or _Batch({principal})
    return batch.users.get(principal) or import_string(ANONYMOUS)()


class _Batch:
    """The users who asked for the writes of a batch, read when the first of them is judged."""

    def __init__(self, principals: set[str]) -> None:
        self._principals = principals

    @cached_property
    def users(self) -> dict[str, Any]:
        """By principal; without those that are no user, or none any more."""
        model = get_user_model()
        keys = [key for principal in self._principals if (key := _valid_key(principal)) is not None]
        found = model._default_manager.in_bulk(keys)
        ordinary = {key: user for key, user in found.items() if not getattr(user, "is_superuser", False)}
        if len(ordinary) > 1 and _permissions_are_django_s():
            _read_permissions(ordinary)
        return {str(key): user for key, user in found.items()}


def _valid_key(principal: str) -> Any:
    try:
        return key_of(principal)
    except ValidationError:  # no key of a user: whoever was meant has no permissions
        return None


@cache
def _permissions_are_django_s() -> bool:
    """Return whether permissions are read as Django's own backend reads them, by two queries a user."""
    stock = import_string(MODEL_BACKEND)
    return issubclass(get_user_model(), import_string(PERMISSIONS_MIXIN)) and all(
        getattr(type(backend), name) is getattr(stock, name)
        for backend in get_backends()
        if isinstance(backend, stock)
        for name in ("_get_user_permissions", "_get_group_permissions")
    )


def _read_permissions(users: Mapping[Any, Any]) -> None:
    """Put where Django's backend would keep them the permissions of all these users, by two queries."""
    permissions = apps.get_model("auth", "Permission")._default_manager
    for where, kept in (("user", "_user_perm_cache"), ("group__user", "_group_perm_cache")):
        for user in users.values():
            vars(user)[kept] = set()
        rows = permissions.filter(**{f"{where}__in": users}, **{f"{where}__is_active": True})
        for key, label, name in rows.values_list(where, "content_type__app_label", "codename").order_by():
            vars(users[key])[kept].add(f"{label}.{name}")


def _forget(**_: object) -> None:
    if (batch := _batch.get()) is not None:
        vars(batch).pop("users", None)


@cache
def _listen() -> None:
    """Notice what changes a user's permissions, while a batch is applied."""
    user: Any = get_user_model()
    changed = [user]
    related = [getattr(user, name, None) for name in ("groups", "user_permissions")]
    if apps.is_installed("django.contrib.auth"):
        group: Any = apps.get_model("auth", "Group")
        changed.append(group)
        related.append(group.permissions)
    for model in changed:
        post_save.connect(_forget, sender=model)
        post_delete.connect(_forget, sender=model)
    for one in related:
        if one is not None:
            m2m_changed.connect(_forget, sender=one.through)
