from argparse import ArgumentParser
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from knox.models import get_token_model

from workers.management.console import whole_number


class Command(BaseCommand):
    help = (
        "Create an API token for a user and print it, alone, to standard output. "
        "It is shown this once: only its hash is stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="whose requests the token authenticates")
        parser.add_argument(
            "--days",
            type=whole_number(1, 3_650, of="days"),
            default=365,
            help="how long it is valid (default: %(default)s)",
        )

    def handle(self, *, username: str, days: int, **options: object) -> None:
        users = get_user_model()
        try:
            user = users.objects.get_by_natural_key(username)
        except users.DoesNotExist:
            raise CommandError(
                f"There is no user {username!r}: create one with `manage.py createsuperuser`."
            ) from None
        _, token = get_token_model().objects.create(user, expiry=timedelta(days=days))
        self.stdout.write(token)
