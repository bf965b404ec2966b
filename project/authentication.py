"""Who is asking: bearer tokens for programs, passwords for people. Nothing here writes the store."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from workers import submit


class BearerAuthentication(TokenAuthentication):
    """Knox's tokens, hashed in the store, without Knox's deletions while it reads."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)

    def _cleanup_token(self, auth_token: Any) -> bool:
        """Return whether the token has expired. Expired rows are for the prune command to delete."""
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema shows the token."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class QueuedRehashBackend(ModelBackend):
    """Django's own, except that a password hash that is out of date is upgraded by the writer."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        model = get_user_model()
        username = kwargs.get(model.USERNAME_FIELD) if username is None else username
        if username is None or password is None:
            return None
        user = model._default_manager.filter(**{model.USERNAME_FIELD: username}).first()
        if user is None:
            make_password(password)  # takes as long as for a user who exists, so names cannot be told by time
            return None

        def upgrade(raw: str) -> None:
            submit(
                "accounts.upgrade_password_hash",
                {"id": user.pk, "old": user.password, "new": make_password(raw)},
                principal=str(user.pk),
                announced=False,
            ).accepted()

        if check_password(password, user.password, setter=upgrade) and self.user_can_authenticate(user):
            return user
        return None
