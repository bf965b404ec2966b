"""The report of the records that were refused: CSV or JSON Lines, by the end of its name."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from workers.transfer.sources import Record

COLUMNS = ("line", "field", "message", "data")


class Report:
    """Written anew by each run, in the order of the file; there is none where nothing is refused."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self.count = 0
        self._part = path.with_name(path.name + ".part")
        self._file: IO[str] = self._part.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file) if path.suffix.lower() == ".csv" else None
        if self._rows:
            self._rows.writerow(COLUMNS)

    def add(self, record: Record, errors: Mapping[str, Any]) -> None:
        """Note a record and what is wrong with it, messages by field. Raises OSError."""
        self.count += 1
        if self._rows is None:
            told = {"line": record.line, "errors": errors, "data": record.data}
            self._file.write(orjson.dumps(told, default=str).decode() + "\n")
            return
        data = orjson.dumps(record.data, default=str).decode()
        for field, messages in errors.items():
            listed = messages if isinstance(messages, list) else [messages]
            self._rows.writerow([record.line, field, " ".join(str(one) for one in listed), data])

    def __enter__(self) -> "Report":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self.count:
            self._part.replace(self.path)
        else:
            self._part.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)  # of a run of before
