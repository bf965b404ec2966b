"""The base class of `import_...` commands."""

import contextlib
import hashlib
import os
import stat
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db import Error
from rest_framework.serializers import ModelSerializer

from workers.encoding.counts import counted
from workers.exceptions import WritePathError
from workers.management.console import console, path, rows_of
from workers.management.transfer.files import STANDARD, TransferCommand, is_csv
from workers.principals import user_of
from workers.registry import name_of
from workers.rest.validation import tell_current_user
from workers.transfer.applying import Row, imported, restored
from workers.transfer.errors import ImportStopped
from workers.transfer.importing import Counts, Import, Plan
from workers.transfer.journal import Journal
from workers.transfer.part_file import BeingWritten
from workers.transfer.report import Report
from workers.transfer.slices import slices
from workers.transfer.sources import Lines, csv_records, json_records
from workers.transfer.verbatim import taken_fields, verbatim
from workers.writes import Result, Write

NICENESS = 10
"""An import leaves the CPU to those who wait for a response."""

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""

AGAIN = "Run the same command again to go on: each line is taken once."

TO_ONE_SIDE = "What was refused is not taken: correct it in a file of its own, and import that."


class ImportCommand(TransferCommand):
    """`manage.py import_notes notes.csv`: a subclass names its `serializer_class`.

    The writer then saves each row by that serializer. A `write_function` of its own is several times as fast,
    and with `imported` two lines long.
    """

    help = (
        "Create a row from each line of a file, CSV with the names of the columns in its first line or JSON "
        "Lines (one JSON object in each line), while the service writes. Run again after an interruption it "
        "goes on: each line is taken once. Exit status 1 when lines were refused."
    )

    standard = "standard input"

    write_function: str | None = None
    """Applies a slice. Its arguments are `data`, `refused` and `verbatim`: see `imported`."""
    slice_lines = 50
    """Lines of one write. Whoever writes meanwhile waits for one or two of them."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="check all lines by the serializer, write nothing"
        )
        parser.add_argument(
            "--report",
            type=path,
            metavar="FILE",
            help="for refused lines, .csv or .jsonl (default: FILE.refused.jsonl)",
        )
        parser.add_argument(
            "--verbatim",
            action="store_true",
            help="take all columns as they were exported, primary keys and times too",
        )
        parser.add_argument("--user", metavar="NAME", help="import as this user, whose permissions are asked")
        parser.add_argument(
            "--label",
            default="",
            metavar="TEXT",
            help="take a file once more that was imported already: once for each label",
        )

    @classmethod
    def write_function_for(cls, operation: str) -> Callable[[Write], Result]:
        """Return what applies a slice, for the writer. Raises LookupError."""
        return {"import": cls._apply}[operation]

    @classmethod
    def _apply(cls, write: Write) -> Result:
        if write.arguments["verbatim"]:
            return imported(write, restored(cls.written_model()))
        user = user_of(write.principal) if write.principal else None
        return imported(write, lambda rows: cls.insert(rows, user))

    @classmethod
    def insert(cls, rows: Iterable[Row], user: Any) -> None:
        """Save rows, in the writer, each by the serializer."""
        for row in rows:
            serializer = cls.serializer_class(data=row)
            tell_current_user(serializer, user)
            serializer.is_valid(raise_exception=True)
            cls.perform_create(serializer, user)

    @classmethod
    def perform_create(cls, serializer: ModelSerializer, user: Any) -> None:
        """Save a row, in the writer: as in a viewset, with what no client gives, such as `owner=user`.

        `user` is the one of `--user`, or None.
        """
        serializer.save()

    def run_from_argv(self, argv: list[str]) -> None:
        os.nice(NICENESS)  # here, because a program that calls the command could not have its priority back
        super().run_from_argv(argv)

    def handle(self, *, file: Path, **options: Any) -> None:
        as_csv, is_dry = is_csv(file, options["format"]), options["dry_run"]
        plan, self._told = self._plan(options), ""
        report = options["report"] or _beside(file, ".dry-run.refused.jsonl" if is_dry else ".refused.jsonl")
        if report.exists() and file.exists() and report.samefile(file):
            raise CommandError(f"--report {report} is the file that is to be imported.")
        try:
            opened = sys.stdin.buffer if file == STANDARD else file.open("rb")
        except OSError as exc:
            raise CommandError(str(exc)) from exc
        journal = None if is_dry else _journal_path(file, report)
        try:
            with contextlib.nullcontext(opened) if file == STANDARD else opened:
                counts, seconds = self._import(opened, plan, report, journal, as_csv=as_csv, options=options)
        except (ImportStopped, BeingWritten) as exc:
            raise CommandError(str(exc)) from exc
        except (OSError, Error, WritePathError) as exc:
            raise CommandError(f"{exc}\n{AGAIN}") from exc
        self._sum_up(counts, seconds, report, is_dry=is_dry)

    def _plan(self, options: dict[str, Any]) -> Plan:
        own = name_of(type(self))
        if self.write_function is None and own is None:
            raise CommandError("The writer cannot import this command: make it a class of a module.")
        is_verbatim = options["verbatim"]
        return Plan(
            function=self.write_function or f"{own}.import",
            serializer_class=verbatim(self.serializer_class) if is_verbatim else self.serializer_class,
            sends_validated=self.write_function is not None and not is_verbatim,
            principal=_principal(options["user"]) if options["user"] else "",
            verbatim=is_verbatim,
        )

    def _import(
        self,
        opened: BinaryIO,
        plan: Plan,
        report: Path,
        journal_path: Path | None,
        *,
        as_csv: bool,
        options: dict[str, Any],
    ) -> tuple[Counts, float]:
        # What makes other writes of the same file.
        means = (plan.function, plan.principal, plan.verbatim, options["label"], self.slice_lines, as_csv)
        seed = hashlib.sha256(repr(means).encode()).hexdigest()[:32]
        lines = Lines(opened, seed=seed.encode())
        serializer = plan.serializer_class()
        records = csv_records(lines, serializer, taken_fields(serializer)) if as_csv else json_records(lines)
        parts = slices(records, lines, at_most=self.slice_lines)
        began = time.monotonic()
        with contextlib.ExitStack() as opens:
            journal = None
            if journal_path is not None:
                # Of a stream nobody knows later whether it was the same one.
                is_kept = opened is not sys.stdin.buffer
                journal = opens.enter_context(Journal(journal_path, seed=seed, is_kept=is_kept))
            if journal is not None and journal.is_resumed:
                self.stdout.write("An import of this file was interrupted: it goes on.")
            refused = opens.enter_context(Report(report))
            on_progress = opens.enter_context(self._progress(_size(opened), no_color=options["no_color"]))
            run = Import(plan, refused, journal=journal, on_progress=on_progress, on_wait=self._tell)
            try:
                run.run(parts)
            except KeyboardInterrupt:
                text = f"Interrupted: {run.counts.records:,} lines are done. {AGAIN}"
                raise CommandError(text, returncode=INTERRUPTED) from None
        return run.counts, time.monotonic() - began

    @contextlib.contextmanager
    def _progress(self, size: int, *, no_color: bool) -> Iterator[Callable[[Counts, int], None]]:
        """Show a bar with rate and time left; the number of lines is guessed from the bytes that are read."""
        with rows_of(console(self, no_color=no_color)) as show:
            yield lambda counts, done: show("lines", counts.records, counts.records * size // max(done, 1))

    def _tell(self, reason: str) -> None:
        """Say what is waited for, once for each reason."""
        if reason != self._told:
            self._told = reason
            self.stderr.write(f"Waiting: {reason}")

    def _sum_up(self, counts: Counts, seconds: float, report: Path, *, is_dry: bool) -> None:
        told = [f"{counts.created:,} {'valid' if is_dry else 'created'}", f"{counts.refused:,} refused"]
        if counts.created_before:
            told.append(f"{counts.created_before:,} created before")
        if counts.untold:
            told.append(f"{counts.untold:,} taken before, of which no receipt is kept")
        rate = counts.records / max(seconds, 1e-3)
        self.stdout.write(
            f"{counted(counts.records, 'line')}: {', '.join(told)}. {seconds:.1f} s, {rate:,.0f} lines/s."
        )
        if counts.refused:
            refused = counted(counts.refused, "line was", "lines were")
            text = f"{refused} refused: {report} says which, and why."
            raise CommandError(text if is_dry else f"{text}\n{TO_ONE_SIDE}")


def _beside(file: Path, ending: str) -> Path:
    """Return the name with this ending beside a file; in this directory for standard input."""
    return Path(f"import{ending}") if file == STANDARD else file.with_name(f"{file.name}{ending}")


def _journal_path(file: Path, report: Path) -> Path:
    """Return where the journal is: beside the file, or beside the report where that cannot be."""
    if file == STANDARD or not os.access(file.parent, os.W_OK):
        return report.with_name(f"{report.name}.journal")
    return _beside(file, ".journal")


def _principal(name: str) -> str:
    users: Any = get_user_model()
    try:
        return str(users._default_manager.get_by_natural_key(name).pk)
    except users.DoesNotExist as exc:
        raise CommandError(f"There is no user {name!r}.") from exc


def _size(opened: BinaryIO) -> int:
    """Return the bytes of a file; 0 for a pipe."""
    found = os.fstat(opened.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
