"""The report of the records that were refused: CSV or JSON Lines, by the end of its name."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from workers.encoding.exact_json import to_json
from workers.transfer.part_file import PartFile
from workers.transfer.sources import Record

COLUMNS = ("line", "field", "message", "data")


class Report:
    """Written anew by each run, in the order of the file; there is none where nothing is refused."""

    def __init__(self, path: Path) -> None:
        """Raises BeingWritten and OSError."""
        self.path = path
        self.count = 0
        self._part = PartFile(path)
        self._file = io.TextIOWrapper(self._part.file, encoding="utf-8", newline="")
        self._rows = csv.writer(self._file) if path.suffix.lower() == ".csv" else None
        if self._rows:
            self._rows.writerow(COLUMNS)

    def add(self, record: Record, errors: Mapping[str, Any]) -> None:
        """Note a record and what is wrong with it, messages by field. Raises OSError."""
        self.count += 1
        if self._rows is None:
            told = {"line": record.line, "errors": errors, "data": record.data}
            self._file.write(_json(told) + "\n")
            return
        data = _json(record.data)
        for field, messages in errors.items():
            listed = messages if isinstance(messages, list) else [messages]
            self._rows.writerow([record.line, field, " ".join(str(one) for one in listed), data])

    def __enter__(self) -> "Report":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Name it. Where something was raised, a report of a run of before stays: it may tell more."""
        self._file.flush()
        if self.count and (exc is None or not self.path.exists()):
            self._part.complete()
            return
        self._part.drop()
        if exc is None:
            self.path.unlink(missing_ok=True)


def _json(value: Any) -> str:
    return to_json(value, other=str).decode()
