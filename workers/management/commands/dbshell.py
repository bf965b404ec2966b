import os
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.dbshell import Command as DjangoCommand
from django.db import connections

from workers.store.lease.command import command_lease


class Command(DjangoCommand):
    help = (
        "Runs the command-line client of the database. On SQLite it can only read, because the client writes "
        "past the writer; with --write it has the lease while it runs, and all other writes wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--write", action="store_true", help="let it write: the writer pauses until the client ends"
        )

    def handle(self, *, write: bool, **options: Any) -> None:  # type: ignore[override]  # its options by name
        connection = connections[options["database"]]
        if connection.vendor != "sqlite" or connection.alias != "default":
            super().handle(**options)
            return
        if not os.path.exists(connection.settings_dict["NAME"]):
            raise CommandError(f"{connection.settings_dict['NAME']} does not exist. Run `manage.py migrate`.")
        if write:
            command_lease.is_kept = True
            command_lease.take()
        else:
            options["parameters"] = ["-readonly", *options["parameters"]]
        try:
            super().handle(**options)
        finally:
            command_lease.end()
