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

from workers.exceptions import WritePathError
from workers.management.console import console, path, rows_of
from workers.management.transfer.files import STANDARD, TransferCommand, is_csv
from workers.registry import name_of
from workers.transfer.applying import Row, imported, restored
from workers.transfer.importing import Counts, Import, ImportStopped, Plan
from workers.transfer.report import Report
from workers.transfer.slices import FileChanged, Journal, slices
from workers.transfer.sources import HeaderError, Lines, csv_records, json_records
from workers.transfer.verbatim import taken_fields, verbatim
from workers.writes import Result, Write

NICENESS = 10
"""An import leaves the CPU to those who wait for a response."""

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""

AGAIN = "Run the same command again to go on: each line is taken once."


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
            help="for refused lines, .csv or .jsonl (default: beside the file, as .refused.jsonl)",
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
        is_verbatim = write.arguments["verbatim"]
        return imported(write, restored(cls.written_model()) if is_verbatim else cls.insert)

    @classmethod
    def insert(cls, rows: Iterable[Row]) -> None:
        """Save rows, in the writer, each by the serializer."""
        for row in rows:
            serializer = cls.serializer_class(data=row)
            serializer.is_valid(raise_exception=True)
            serializer.save()

    def run_from_argv(self, argv: list[str]) -> None:
        os.nice(NICENESS)  # here, because a program that calls the command could not have its priority back
        super().run_from_argv(argv)

    def handle(self, *, file: Path, **options: Any) -> None:
        as_csv = is_csv(file, options["format"])
        beside = Path("import") if file == STANDARD else file
        report = options["report"] or beside.with_suffix(".refused.jsonl")
        plan = self._plan(options)
        try:
            with contextlib.nullcontext(sys.stdin.buffer) if file == STANDARD else file.open("rb") as opened:
                counts, seconds = self._import(opened, plan, report, as_csv=as_csv, options=options)
        except (ImportStopped, FileChanged, HeaderError) as exc:
            raise CommandError(str(exc)) from exc
        except (OSError, Error, WritePathError) as exc:
            raise CommandError(f"{exc}\n{AGAIN}") from exc
        self._sum_up(counts, seconds, report, is_dry=options["dry_run"])

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
        self, opened: BinaryIO, plan: Plan, report: Path, *, as_csv: bool, options: dict[str, Any]
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
            if not options["dry_run"]:
                journal = opens.enter_context(Journal(report.with_name(f"{report.name}.journal"), seed=seed))
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
        if reason != getattr(self, "_told", None):
            self._told = reason
            self.stderr.write(f"Waiting: {reason}")

    def _sum_up(self, counts: Counts, seconds: float, report: Path, *, is_dry: bool) -> None:
        created = f"{counts.created:,} {'valid' if is_dry else 'created'}"
        known = f" {counts.known:,} of them were imported before." if counts.known else ""
        rate = counts.records / max(seconds, 1e-3)
        self.stdout.write(
            f"{counts.records:,} lines: {created}, {counts.refused:,} refused.{known} "
            f"{seconds:.1f} s, {rate:,.0f} lines/s."
        )
        if counts.refused:
            raise CommandError(f"{counts.refused:,} lines were refused: {report} says which, and why.")


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
