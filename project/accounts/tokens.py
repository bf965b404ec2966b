"""API tokens: Knox's, with a scope. They are made here, and looked up in `authentication`."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from knox.models import get_token_model

from project.accounts.models import Scope, TokenScope
from workers.rest import ProblemError

LIFE_DAYS = 365
"""How long a token is valid where nothing else is said."""


def create(user: Any, *, scope: str = Scope.WRITE, days: int = LIFE_DAYS) -> str:
    """Make a token and return it. It is known this once: only its hash is stored."""
    with transaction.atomic():
        row, token = get_token_model().objects.create(user, expiry=timedelta(days=days))
        TokenScope.objects.create(token=row, scope=scope)
    return str(token)


def scope_of(token: Any) -> Scope:
    """Return the scope of a row of Knox's; no query where it was read with its `granted`."""
    granted = getattr(token, "granted", None)
    return Scope.WRITE if granted is None else Scope(granted.scope)


def insufficient_scope() -> ProblemError:
    """Return the refusal of a write with a token that may only read (RFC 6750, 3.1)."""
    detail = (
        "This token has the scope read, and this request needs one with the scope write: "
        "`manage.py create_token USERNAME --scope write` makes it."
    )
    challenge = 'Bearer error="insufficient_scope", scope="write"'
    return ProblemError(403, "insufficient_scope", detail, headers={"WWW-Authenticate": challenge})
