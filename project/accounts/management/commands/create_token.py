from argparse import ArgumentParser

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from project.accounts import tokens
from project.accounts.models import Scope
from workers.management.console import whole_number


class Command(BaseCommand):
    help = (
        "Create an API token for a user and print it, alone, to standard output. "
        "It is shown this once: only its hash is stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="whose requests the token authenticates")
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            default=Scope.WRITE.value,
            help="what it may be used for; write includes read (default: %(default)s)",
        )
        parser.add_argument(
            "--expires-days",
            metavar="N",
            type=whole_number(1, 3_650, of="days"),
            default=tokens.LIFE_DAYS,
            help="how long it is valid (default: %(default)s)",
        )

    def handle(self, *, username: str, scope: str, expires_days: int, **options: object) -> None:
        users = get_user_model()
        try:
            user = users.objects.get_by_natural_key(username)
        except users.DoesNotExist:
            raise CommandError(
                f"There is no user {username!r}: create one with `manage.py createsuperuser`."
            ) from None
        self.stdout.write(tokens.create(user, scope=scope, days=expires_days))
