"""The base class of `export_...` commands."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError
from django.db import Error
from django.db.models import QuerySet

from workers.management.console import console, rows_of
from workers.management.transfer.files import STANDARD, TransferCommand, is_csv
from workers.transfer.exporting import export, snapshot
from workers.transfer.part_file import PartFile


class ExportCommand(TransferCommand):
    """`manage.py export_notes notes.csv`: a subclass names its `serializer_class`."""

    help = (
        "Write all rows as CSV or JSON Lines (one JSON object in each line), as they are at one moment, "
        "while the service writes. The file has its name once it is complete."
    )
    requires_system_checks = []
    standard = "standard output"

    def get_queryset(self) -> QuerySet:
        """Return what is exported, by default in the order of the primary key."""
        return self.written_model()._default_manager.order_by("pk")

    def handle(self, *, file: Path, **options: Any) -> None:
        as_csv, began = is_csv(file, options["format"]), time.monotonic()
        try:
            with _written(file, self.stdout) as target, snapshot():
                if file == STANDARD:
                    self._export(target, as_csv=as_csv)
                    return
                output = console(self, no_color=options["no_color"])
                count = self._export(target, as_csv=as_csv, output=output)
        except BrokenPipeError:
            _nobody_reads()
        except (OSError, Error) as exc:
            raise CommandError(f"The export has ended early: {exc}") from exc
        output.print(f"{count:,} rows in {time.monotonic() - began:.1f} s.")

    def _export(self, target: BinaryIO, *, as_csv: bool, output: Any = None) -> int:
        queryset, serializer = self.get_queryset(), self.serializer_class()
        if output is None:
            return export(queryset, serializer, target, as_csv=as_csv, on_progress=lambda done: None)
        total = queryset.count()
        with rows_of(output) as show:
            return export(
                queryset,
                serializer,
                target,
                as_csv=as_csv,
                on_progress=lambda done: show("rows", done, total),
            )


@contextlib.contextmanager
def _written(file: Path, standard: Any) -> Iterator[BinaryIO]:
    """Give the file to write to; it has its name once it is complete."""
    if file == STANDARD:
        yield standard.buffer
        standard.buffer.flush()
        return
    part = PartFile(file)
    try:
        yield part.file
        part.complete()
    except BaseException:
        part.drop()
        raise


def _nobody_reads() -> None:
    """End as programs do whose output is cut off, as by `head`, and without Python's complaint at its exit.

    See https://docs.python.org/3/library/signal.html#note-on-sigpipe.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)
