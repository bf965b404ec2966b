"""Who is asking: bearer tokens for programs, passwords for people."""

import logging
import time
from hmac import compare_digest
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS

from project.accounts import attempts, passwords, tokens
from project.accounts.models import Scope
from workers import WritePathError
from workers.rest import ProblemError

logger = logging.getLogger(__name__)

REMEMBER_SECONDS = 1.0
"""How long a process takes a token that it has looked up for valid; `revoke_token` waits for it to pass."""

REMEMBERED_TOKENS = 10_000
"""Tokens that one process remembers at most; only valid ones are, so strangers cannot fill it."""

_remembered: dict[str, tuple[float, Any, Scope | None]] = {}
"""By Authorization header: until when (monotonic seconds) it is taken for valid, and what it stands for."""


class BearerAuthentication(TokenAuthentication):
    """Knox's tokens, hashed in the store, with scopes, and without Knox's deletions while it reads.

    A scope is judged here, not by a permission: a view may name permissions of its own, and its tokens are
    these all the same. Looking a token up costs nearly half of a request's time, so a process does it once a
    second for each.
    """

    def authenticate(self, request: Any) -> Any:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        until, known, scope = _remembered.get(header, (0.0, None, None))
        now = time.monotonic()  # before the look-up: what is revoked during it was valid until then
        if now >= until:
            known = super().authenticate(request)
            if known is None:
                return None
            scope = tokens.scope_of(known[1])
            _remember(header, known, scope, now)
        if scope is Scope.READ and request.method not in SAFE_METHODS:
            raise tokens.insufficient_scope()
        return known

    def authenticate_credentials(self, token: bytes) -> Any:
        """Return the user and the token, by one query. Expired rows stay: reading must not write."""
        if not token.isascii():
            raise AuthenticationFailed("Invalid token.")
        text = token.decode()
        digest, now = hash_token(text), timezone.now()
        rows = get_token_model().objects.filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH])
        for row in rows.select_related("user", "granted"):
            is_expired = row.expiry is not None and row.expiry < now
            if compare_digest(digest, row.digest) and not is_expired:
                return self.validate_user(row)
        raise AuthenticationFailed("Invalid token.")


def _remember(header: str, found: tuple[Any, Any], scope: Scope, now: float) -> None:
    life = REMEMBER_SECONDS
    if found[1].expiry is not None:
        life = min(life, (found[1].expiry - timezone.now()).total_seconds())
    if len(_remembered) >= REMEMBERED_TOKENS:
        _remembered.clear()
    _remembered[header] = (now + life, found, scope)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped in the library
    """How the OpenAPI schema shows the token."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        about = "`manage.py create_token` makes a token. One of the scope `read` may GET, HEAD and OPTIONS."
        return {"type": "http", "scheme": "bearer", "description": about}


class LimitedBackend(ModelBackend):
    """Django's own, with attempts limited, and with hashes made where they hold nobody up."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the user, or None. Raises ProblemError when no attempt may be made now.

        Without a request nobody is at the door, and nothing is counted.
        """
        model = get_user_model()
        username = kwargs.get(model.USERNAME_FIELD) if username is None else username
        if username is None or password is None:
            return None
        address = None if request is None else attempts.address_of(request)
        with attempts.counted(username, address) as attempt:
            user = model._default_manager.filter(**{model.USERNAME_FIELD: username}).first()
            if user is None:
                passwords.make(password)  # as long as for a user who exists, so names cannot be told by time
                return None
            is_right, is_outdated = passwords.check(password, user.password)
            if not is_right or not self.user_can_authenticate(user):
                return None
            attempt.succeed()
        if is_outdated:
            _upgrade(user, password)
        return user


def _upgrade(user: Any, password: str) -> None:
    """Replace the user's hash, unless it was replaced since. The login does not fail for want of it."""
    outdated = user.password
    try:
        passwords.set_for(user, password)
        same = type(user)._default_manager.filter(pk=user.pk, password=outdated)
        is_upgraded = same.update(password=user.password)
    except (WritePathError, ProblemError, DatabaseError) as exc:
        logger.warning("login user=%s state=hash-not-upgraded error=%s", user.pk, exc)
        is_upgraded = False
    if not is_upgraded:
        user.password = outdated  # the session that now begins is bound to what is stored
