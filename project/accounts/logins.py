"""Django notes each login in the store, and fails the login without it. Here a login needs no such note.

So whoever has to mend a store that cannot be written can log in.
"""

import logging
from typing import Any

from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in
from django.db import DatabaseError

from workers import WritePathError

logger = logging.getLogger(__name__)

DJANGOS = "update_last_login"
"""By what Django knows its own receiver."""


def note_login(sender: Any, user: Any, **_: object) -> None:
    """Set the user's `last_login`, if the store can be written."""
    try:
        update_last_login(sender, user)
    except (WritePathError, DatabaseError) as exc:
        logger.warning("login user=%s state=not-noted error=%s", user.pk, exc)


def connect() -> None:
    """Put this in the place of Django's. To be called after `django.contrib.auth` is ready."""
    user_logged_in.disconnect(dispatch_uid=DJANGOS)
    user_logged_in.connect(note_login, dispatch_uid=DJANGOS)
