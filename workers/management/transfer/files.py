"""What the commands of import and export share: which format a file has, and what their options say."""

from argparse import ArgumentParser
from pathlib import Path
from typing import ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model
from rest_framework.serializers import ModelSerializer

from workers.management.console import path

STANDARD = Path("-")
"""Stands for standard input or output."""

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class TransferCommand(BaseCommand):
    """Of the rows of one model, by a serializer."""

    serializer_class: ClassVar[type[ModelSerializer]]
    """By which rows are checked and shown."""

    standard: ClassVar[str]
    """What `-` stands for."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=path, metavar="FILE", help=f"- for {self.standard}")
        parser.add_argument(
            "--format", choices=["csv", "jsonl"], help="where the name of the file does not end so"
        )

    @classmethod
    def written_model(cls) -> type[Model]:
        """Return whose rows they are."""
        model: type[Model] = cls.serializer_class.Meta.model
        return model


def is_csv(file: Path, given: str | None) -> bool:
    """Return whether a file is CSV, else JSON Lines. Raises CommandError where neither is said."""
    found = given or FORMATS.get(file.suffix.lower())
    if found is None:
        raise CommandError(f"Is {file} CSV or JSON Lines? Say --format csv or --format jsonl.")
    return found == "csv"
