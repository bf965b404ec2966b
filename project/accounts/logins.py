"""Django notes each login in the store; here the writer does."""

import logging
from typing import Any

from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in
from django.utils import timezone

from workers import WritePathError, submit

logger = logging.getLogger(__name__)


def queue_last_login(user: Any, **_: object) -> None:
    """Hand the time of login over. A login does not fail for want of this note."""
    try:
        submit(
            "accounts.note_login",
            {"id": user.pk, "at": timezone.now().isoformat()},
            principal=str(user.pk),
            announced=False,
        ).accepted()
    except WritePathError as exc:
        logger.warning("login user=%s state=not-noted error=%s", user.pk, exc)


def connect() -> None:
    user_logged_in.disconnect(update_last_login, dispatch_uid="update_last_login")
    user_logged_in.connect(queue_last_login, dispatch_uid="project.accounts.logins.queue_last_login")
