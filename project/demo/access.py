"""The demo user of DEMO=1: a superuser with a random password and a token, both kept beside the data."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_token_model

from project.accounts import tokens

USERNAME = "demo"


@dataclass(frozen=True, kw_only=True)
class DemoAccess:
    """How to get in."""

    username: str
    password: str
    """Also in DATA_DIR/demo-password."""
    token: str
    """Also in DATA_DIR/demo-token."""


def prepare(data_dir: Path) -> DemoAccess:
    """Return a login and a token that work. What the files hold is kept as long as it still does."""
    password_file = data_dir / "demo-password"
    password = _read(password_file) or secrets.token_urlsafe(12)
    _write_private(password_file, password)
    user = _superuser(password)

    token_file = data_dir / "demo-token"
    token = _read(token_file)
    if not _authenticates(token, user):
        token = tokens.create(user)
        _write_private(token_file, token)
    return DemoAccess(username=USERNAME, password=password, token=token)


def _superuser(password: str) -> AbstractUser:
    user, _ = get_user_model().objects.get_or_create(username=USERNAME)
    # Written only when something differs: checking is all that a usual start does.
    if not (user.is_active and user.is_staff and user.is_superuser and user.check_password(password)):
        user.is_active = user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save()
    return user


def _authenticates(token: str, user: AbstractUser) -> bool:
    unexpired = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    return (
        bool(token)
        and get_token_model().objects.filter(unexpired, digest=hash_token(token), user=user).exists()
    )


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)  # the file may be there already, with another mode
        file.write(text + "\n")
