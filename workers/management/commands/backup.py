import os
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.backups import archive, making
from workers.backups.archive import Backup, BackupError
from workers.conf import settings
from workers.doctor.finding import size
from workers.encoding.counts import counted
from workers.encoding.times import utc_text
from workers.management.console import console, path, print_whole, progress_of, whole_number
from workers.store import store_file

NICENESS = 10
"""What --quiet adds: nobody waits for it, and requests need the processor."""


class Command(BaseCommand):
    help = (
        "Make a backup of the store while the service runs: one snapshot, verified, in one file with a "
        "manifest beside it. Needs neither Redis nor the writer. `manage.py restore` puts one back."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to", type=path, metavar="DIRECTORY", help="where to (default: WRITE_BACKUP_DIRECTORY)"
        )
        parser.add_argument(
            "--keep",
            type=whole_number(1, 10_000),
            metavar="N",
            help="remove all but the newest N afterwards (default: WRITE_BACKUP_KEEP)",
        )
        parser.add_argument(
            "--compress", action="store_true", help="with gzip; WRITE_BACKUP_COMPRESS does too"
        )
        parser.add_argument(
            "--quiet", action="store_true", help="say nothing but errors, and give way to others"
        )
        parser.add_argument(
            "--list", action="store_true", help="list the backups, newest first, and make none"
        )

    def handle(
        self, *, to: Path | None, keep: int | None, compress: bool, quiet: bool, **options: Any
    ) -> None:
        refuse_other_databases()
        store = store_file.path()
        output = console(self, no_color=options["no_color"])
        place = archive.directory() if to is None else to.absolute()
        if options["list"]:
            _print_list(output, place, store)
            return
        refuse_missing(store)
        if quiet:
            with suppress(OSError):
                os.nice(NICENESS)
        try:
            with progress_of(output, is_shown=not quiet) as progress:
                compresses = compress or settings.WRITE_BACKUP_COMPRESS
                backup = making.make(store, place, compresses=compresses, progress=progress)
            removed = archive.prune(backup, settings.WRITE_BACKUP_KEEP if keep is None else keep)
        except (BackupError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        if not quiet:
            _print_made(output, backup, removed)


def refuse_other_databases() -> None:
    """Raise CommandError when the store is not an SQLite file."""
    vendor = connections["default"].vendor
    if vendor != "sqlite":
        raise CommandError(f"The store is on {vendor}: use its own tools, such as pg_dump or pg_basebackup.")


def refuse_missing(store: Path) -> None:
    """Raise CommandError when there is no store, which SQLite would make."""
    if not store.is_file():
        raise CommandError(f"{store} does not exist: set DATA_DIR as for the service.")


def _print_made(output: Console, backup: Backup, removed: list[Path]) -> None:
    manifest = backup.manifest
    output.print(escape(str(backup.path)), soft_wrap=True)
    output.print(
        f"{size(manifest.size_bytes)}, {counted(sum(manifest.rows.values()), 'row')} in "
        f"{counted(len(manifest.rows), 'table')}, "
        f"sound, in {manifest.seconds:.1f} s; as of {utc_text(manifest.taken_at)}."
    )
    if removed:
        output.print(f"Removed {len(removed)} older: {escape(', '.join(file.name for file in removed))}.")


def _print_list(output: Console, place: Path, store: Path) -> None:
    backups = archive.all_backups(place, store)
    if not backups:
        output.print(f"There is no backup in {escape(str(place))}.", soft_wrap=True)
        return
    table = Table(title=escape(str(place)), title_justify="left", show_lines=True)
    for name in ("File, and when it was taken", "Size", "Rows"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"Size", "Rows"} else "left")
    for backup in backups:
        manifest = backup.manifest
        rows = f"{sum(manifest.rows.values()):,}"
        what = f"{escape(backup.path.name)}\n{utc_text(manifest.taken_at)}"
        table.add_row(what, size(manifest.size_bytes), rows)
    print_whole(output, table)
