import sqlite3
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from rich.console import Console

from workers.backups import making
from workers.backups.archive import BackupError
from workers.doctor.finding import size
from workers.management.commands.backup import refuse_missing, refuse_other_databases
from workers.management.console import console, progress_of
from workers.store import store_file, vacuum
from workers.store.lock.guard import Guard
from workers.store.opening import own_guard
from workers.store.vacuum import Room


class Command(BaseCommand):
    help = (
        "Give the room of deleted rows back to the disk while the service runs, in slices of about "
        "50 ms between which others write. SQLite uses that room again by itself, so this is seldom needed."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--full",
            action="store_true",
            help="write the whole store anew: nobody writes meanwhile, accepted writes wait. Needs room for "
            "it twice. For a store that was made without incremental vacuum, once",
        )

    def handle(self, *, full: bool, **options: Any) -> None:
        refuse_other_databases()
        refuse_missing(store_file.path())
        output = console(self, no_color=options["no_color"])
        try:
            guard = own_guard()
            if guard is None:
                raise CommandError("This store is no file.")
            before = vacuum.room_of(guard.raw)
            output.print(f"{size(before.size_bytes)}, of which {size(before.free_bytes)} are free.")
            if full:
                needed = 2 * before.size_bytes + making.SPARE_BYTES
                making.refuse_full_disk(store_file.path().parent, needed, "Make room first.")
                _rewrite(output, guard)
            else:
                _give_back(output, guard, before)
            after = vacuum.room_of(guard.raw)
        except BackupError as exc:
            raise CommandError(str(exc)) from exc
        except (Error, sqlite3.Error) as exc:
            raise CommandError(f"{exc} What was done until then stays done.") from exc
        if after.pages < before.pages:
            output.print(f"{size(after.size_bytes)} now. The file shrinks at the next checkpoint.")


def _give_back(output: Console, guard: Guard, room: Room) -> None:
    if not room.free_pages:
        output.print("Nothing is to be given back.")
        return
    if not room.is_incremental:
        raise CommandError(
            "This store was made without incremental vacuum, so it can only be written anew as a whole, "
            "while nobody writes: `manage.py vacuum --full`. From then on slices are possible."
        )
    with progress_of(output) as progress:
        longest = vacuum.give_back(
            guard, room.free_pages, lambda done: progress("vacuum", done / room.free_pages)
        )
    output.print(f"The longest slice held the store lock for {longest * 1000:.0f} ms.")


def _rewrite(output: Console, guard: Guard) -> None:
    with progress_of(output) as progress:
        progress("vacuum", 0.0)
        vacuum.rewrite(guard)
