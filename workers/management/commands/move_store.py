from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from rich.console import Console
from rich.markup import escape

from workers.encoding.counts import counted, waiting
from workers.exceptions import NotAccepted, WritePathError
from workers.management.console import console, rows_of
from workers.moving.moving import Move, Moved
from workers.moving.target import alias_of
from workers.operations.pause import StillWriting
from workers.stream.redis_client import connect

REPLY_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Copy the store to another, empty database, SQLite or PostgreSQL, and give it the stream, while the "
        "service accepts writes. The store is left as it is. May be repeated after any failure."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            required=True,
            metavar="DATABASE_URL",
            help="postgresql://user:password@host/name, sqlite:////directory/file, or one of DATABASES",
        )

    def handle(self, *, to: str, **options: Any) -> None:
        output = console(self, no_color=options["no_color"])
        try:
            alias = alias_of(to)
            with connect(timeout_seconds=REPLY_SECONDS) as client, rows_of(output) as progress:
                moved = Move(client=client, alias=alias, progress=progress).run()
        except (StillWriting, NotAccepted, WritePathError) as exc:
            raise CommandError(str(exc)) from exc
        except redis.RedisError as exc:
            raise CommandError(
                f"Redis does not respond: {exc}\nStart it and run this again: it finishes, or starts afresh."
            ) from exc
        except Error as exc:
            raise CommandError(f"{exc}\nNothing was switched. Run this again.") from exc
        _say(output, moved, "to" if "://" in to else to)


def _say(output: Console, moved: Moved, to: str) -> None:
    if moved.was_done_before:
        output.print("The store was moved there already.")
    else:
        output.print(
            f"{counted(moved.rows, 'row')} in {counted(moved.tables, 'table')}, verified; nothing was "
            f"committed for {moved.seconds:.1f} s.",
            soft_wrap=True,
        )
    if moved.not_copied:
        output.print(
            f"Not copied, because no model has them: {escape(', '.join(moved.not_copied))}.", soft_wrap=True
        )
    setting = "DATABASE_URL to that URL" if to == "to" else f"DATABASES so that {to!r} is 'default'"
    output.print(
        f"{waiting(moved.waiting)} for it. Set {setting} and restart web processes and writers: "
        "until then the service refuses writes. The former store was not changed.",
        soft_wrap=True,
    )
