import os
from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.dbshell import Command as DjangoCommand
from django.db import connections

from workers.store import opening, store_file
from workers.store.lock.store_lock import lock_of


class Command(DjangoCommand):
    help = (
        "Runs the command-line client of the database. On SQLite it can only read, because the client knows "
        "nothing of the store lock; with --write it has the lock while it runs, and all other writes wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--write", action="store_true", help="let it write: all others wait until the client ends"
        )

    def handle(self, *, write: bool, **options: Any) -> None:  # type: ignore[override]  # its options by name
        connection = connections[options["database"]]
        path = opening.file_of(connection)
        if path is None:
            super().handle(**options)
            return
        if not os.path.exists(path):
            raise CommandError(f"{path} does not exist. Run `manage.py migrate`.")
        if not write:
            options["parameters"] = ["-readonly", *options["parameters"]]
        with opening.kept(connection) if write else nullcontext():
            super().handle(**options)
            if write:
                # The client moves the log into the file as it likes.
                lock_of(path).leave_mark(store_file.mark_of(path))
