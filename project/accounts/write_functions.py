"""What Django itself would write from a web process, written by the writer instead."""

from django.contrib.auth import get_user_model
from django.utils.dateparse import parse_datetime

from workers import Result, Write, write_function


@write_function("accounts.note_login")
def note_login(write: Write) -> Result:
    """Set the user's `last_login`."""
    get_user_model().objects.filter(pk=write.arguments["id"]).update(
        last_login=parse_datetime(write.arguments["at"])
    )
    return Result(http_status=204)


@write_function("accounts.upgrade_password_hash")
def upgrade_password_hash(write: Write) -> Result:
    """Replace a password's hash, unless the password was changed since."""
    get_user_model().objects.filter(pk=write.arguments["id"], password=write.arguments["old"]).update(
        password=write.arguments["new"]
    )
    return Result(http_status=204)


@write_function("accounts.change_password")
def change_password(write: Write) -> Result:
    """Set the hash of a new password."""
    get_user_model().objects.filter(pk=write.arguments["id"]).update(password=write.arguments["hash"])
    return Result(http_status=204)
