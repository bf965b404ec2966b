import time
from argparse import ArgumentParser

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from knox.models import get_token_model
from knox.settings import CONSTANTS

from project.accounts.authentication import REMEMBER_SECONDS
from workers.management.console import counted


class Command(BaseCommand):
    help = "Revoke API tokens of a user. When this ends, no process accepts them any more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="whose tokens to revoke")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--all", action="store_true", help="revoke every token of the user")
        which.add_argument("--key", metavar="PREFIX", help="revoke those that begin with these characters")

    def handle(self, *, username: str, key: str | None, **options: object) -> None:
        users = get_user_model()
        try:
            user = users.objects.get_by_natural_key(username)
        except users.DoesNotExist:
            raise CommandError(f"There is no user {username!r}.") from None
        tokens = get_token_model().objects.filter(user=user)
        if key is not None:
            if not key:
                raise CommandError("--key needs at least one character; use --all to revoke every token.")
            # Only the token's beginning is stored, so a whole token is accepted as well.
            tokens = tokens.filter(token_key__startswith=key[: CONSTANTS.TOKEN_KEY_LENGTH])
        _, deleted = tokens.delete()
        count = deleted.get(tokens.model._meta.label, 0)  # beside their scopes
        if not count:
            raise CommandError(f"{username!r} has no such token.")
        time.sleep(REMEMBER_SECONDS)  # a web process takes a token that it knows for so long without looking
        self.stdout.write(f"Revoked {counted(count, 'token')} of {username!r}.")
