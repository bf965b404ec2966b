from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from knox.models import get_token_model
from rich.markup import escape
from rich.table import Table

from project.accounts import tokens
from workers.management.console import console, print_whole


class Command(BaseCommand):
    help = "List API tokens by their beginnings, which `revoke_token USERNAME --key` takes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", help="whose tokens to list (default: everybody's)")

    def handle(self, *, username: str | None, **options: Any) -> None:
        rows = get_token_model().objects.select_related("user", "granted").order_by("user_id", "created")
        if username is not None:
            users = get_user_model()
            try:
                rows = rows.filter(user=users.objects.get_by_natural_key(username))
            except users.DoesNotExist:
                raise CommandError(f"There is no user {username!r}.") from None
        if not rows:
            whose = "There is no token" if username is None else f"{username!r} has no token"
            self.stdout.write(f"{whose}: `manage.py create_token USERNAME` makes one.")
            return
        table = Table("User", "Key", "Scope", "Created", "Expires")
        now = timezone.now()
        for row in rows:
            is_expired = row.expiry is not None and row.expiry < now
            expires = f"{row.expiry:%Y-%m-%d}" if row.expiry else "never"
            table.add_row(
                escape(row.user.get_username()),
                row.token_key,
                tokens.scope_of(row).value,
                f"{row.created:%Y-%m-%d}",
                f"{expires}, expired" if is_expired else expires,
            )
        for column in table.columns:
            column.no_wrap = True
        print_whole(console(self, no_color=options["no_color"]), table)
