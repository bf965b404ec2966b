import sqlite3
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.backups import archive, making, restoring, snapshot
from workers.backups.archive import Backup, BackupError
from workers.backups.restoring import StoreInUse
from workers.doctor.host import command_of, openers_of
from workers.encoding.counts import counted
from workers.encoding.times import utc_text
from workers.management.commands.backup import refuse_missing, refuse_other_databases
from workers.management.console import console, path, print_whole, progress_of
from workers.store import store_file


class Command(BaseCommand):
    help = (
        "Put a backup in the store's place, while the service is stopped. The former store is kept beside "
        "it. Writes that wait in Redis are applied when the service starts, once. --drill only tries it."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "backup", nargs="?", type=path, help="a backup's file, or its name (default: the newest one)"
        )
        parser.add_argument(
            "--from", type=path, dest="place", metavar="DIRECTORY", help="default: WRITE_BACKUP_DIRECTORY"
        )
        parser.add_argument(
            "--drill",
            action="store_true",
            help="restore it to a temporary directory beside the backups and compare it with the store",
        )
        parser.add_argument("--no-input", action="store_true", help="do not ask for confirmation")

    def handle(self, *, drill: bool, no_input: bool, **options: Any) -> None:
        refuse_other_databases()
        store = store_file.path()
        output = console(self, no_color=options["no_color"])
        place = archive.directory() if options["place"] is None else options["place"].absolute()
        try:
            backup = _find(options["backup"], place, store)
            if drill:
                _drill(output, backup, store)
                return
            _say_what(output, backup, store)
            if not no_input:
                _confirm()
            with progress_of(output) as progress:
                former = restoring.restore(backup, store, progress)
        except StoreInUse as exc:
            raise CommandError(f"{exc} {_openers(store)}".strip()) from exc
        except (BackupError, OSError, sqlite3.Error) as exc:
            raise CommandError(str(exc)) from exc
        output.print(f"{escape(str(store))} is the store of {utc_text(backup.manifest.taken_at)} now.")
        if former is not None:
            shown = escape(str(former))
            output.print(
                f"The former one is {shown}: remove it when nothing of it is needed.", soft_wrap=True
            )
        output.print(
            "Start the service: what waits in Redis is applied, once. `manage.py doctor` looks closer."
        )


def _find(named: Path | None, place: Path, store: Path) -> Backup:
    if named is not None:
        file = named if named.is_absolute() or named.exists() else place / named
        return archive.read(file.absolute())
    backups = archive.all_backups(place, store)
    if not backups:
        raise CommandError(f"There is no backup in {place}. `manage.py backup` makes one.")
    present = snapshot.identity_of(store)
    own = [backup for backup in backups if backup.manifest.identity == present]
    if not own and len({backup.manifest.identity for backup in backups}) > 1:
        raise CommandError(f"The backups in {place} are of several stores: say which file (`backup --list`).")
    return (own or backups)[0]


def _say_what(output: Console, backup: Backup, store: Path) -> None:
    manifest = backup.manifest
    output.print(f"{escape(backup.path.name)}: the state of {utc_text(manifest.taken_at)}.", soft_wrap=True)
    output.print("What was committed after that moment will only be in the former store.")
    present = snapshot.identity_of(store)
    if present and manifest.identity != present:
        output.print("It is a backup of another store: what waits in Redis for this one is not for it.")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise CommandError("Say --no-input where nobody can be asked.")
    if input("Put it in the store's place? [y/N] ").strip().lower() != "y":
        raise CommandError("Nothing was changed.")


def _openers(store: Path) -> str:
    named = "; ".join(f"pid {pid}, {command_of(pid)}" for pid in openers_of(store))
    return f"Open in {named}." if named else ""


def _drill(output: Console, backup: Backup, store: Path) -> None:
    """Restore to a temporary directory, and print what the store has by now beside what the backup has."""
    refuse_missing(store)
    place = backup.path.parent
    making.refuse_full_disk(place, backup.manifest.store_bytes + making.SPARE_BYTES, "Make room first.")
    started = time.monotonic()
    with archive.scratch(place, store) as directory:
        with progress_of(output) as progress:
            restoring.unpack(backup, directory / store.name, progress)
        seconds = time.monotonic() - started
    with snapshot.snapshot(store) as raw:
        present = snapshot.counts(raw)
    rows = backup.manifest.rows
    changed = [name for name in sorted(rows.keys() | present.keys()) if rows.get(name) != present.get(name)]
    if changed:
        table = Table(title="Rows that differ", title_justify="left")
        for name in ("Table", "In the backup", "In the store"):
            table.add_column(name, justify="left" if name == "Table" else "right")
        for name in changed:
            table.add_row(escape(name), _number(rows.get(name)), _number(present.get(name)))
        print_whole(output, table)
    output.print(
        f"{escape(backup.path.name)}: sound, {counted(sum(rows.values()), 'row')}, restored in "
        f"{seconds:.1f} s. It is {backup.age_seconds / 3600:.1f} h old. The store was not touched."
    )


def _number(count: int | None) -> str:
    return "no such table" if count is None else f"{count:,}"
