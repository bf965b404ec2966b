"""The lines of a file or a pipe, read in constant memory, and the records that they hold.

A record that cannot be read is yielded all the same, with what is wrong with it: it refuses itself alone.
Where nobody can tell where the next record begins, reading ends.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from rest_framework.exceptions import ParseError
from rest_framework.serializers import Serializer

from workers.encoding.exact_json import from_json
from workers.rest.parsers import refuse_deep
from workers.transfer.cells import ABSENT, Read, reader_of
from workers.transfer.errors import Unreadable

LINE_MAX_BYTES = 1_048_576
"""Of one line. A longer one is refused, and is never in memory as a whole."""

CELL_MAX_CHARACTERS = LINE_MAX_BYTES
"""Of one cell of CSV, which may have many lines."""

_UNENDED = ("unexpected end of data", "field larger than field limit")
"""What Python's csv says of a cell whose end it has not found."""

_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One object of the file."""

    line: int
    """The number of its first line, from 1."""
    data: Any
    """As a client would send it; what there was of it where it could not be read."""
    problem: str = ""
    """Why it could not be read."""


class Lines:
    """Reads a file line by line, knows the digest of all that it has read, and where it is."""

    def __init__(self, file: BinaryIO, *, seed: bytes = b"") -> None:
        self._file = file
        self._digest = hashlib.sha256(seed)
        self.number = 0
        """Of the line read last, from 1."""
        self.read_bytes = 0
        self.problem = ""
        """What is wrong with the lines that were read since somebody emptied it."""

    def digest(self) -> str:
        """Return a digest of what was read until now, 32 hexadecimal digits."""
        return self._digest.copy().hexdigest()[:32]

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(LINE_MAX_BYTES + 1):
            self._note(line)
            self.number += 1
            if len(line) > LINE_MAX_BYTES and not line.endswith(b"\n"):
                self._skip_rest()
                self.problem = f"The line is longer than {LINE_MAX_BYTES:,} bytes."
                line = b"\n"
            elif self.number == 1:
                line = line.removeprefix(_BOM)
            yield line

    def texts(self) -> Iterator[str]:
        """Yield the lines as texts; what is not UTF-8 is a problem of its line."""
        for line in self:
            try:
                yield line.decode()
            except UnicodeDecodeError as exc:
                self.problem = f"It is not UTF-8: {exc.reason}, byte {exc.start + 1} of the line."
                yield line.decode(errors="replace")

    def _note(self, line: bytes) -> None:
        self.read_bytes += len(line)
        self._digest.update(line)

    def _skip_rest(self) -> None:
        while line := self._file.readline(LINE_MAX_BYTES):
            self._note(line)
            if line.endswith(b"\n"):
                return


def json_records(lines: Lines) -> Iterator[Record]:
    """Yield the object of each line that is not blank."""
    for line in lines:
        if lines.problem:
            yield Record(lines.number, None, lines.problem)
            lines.problem = ""
            continue
        if line.isspace():
            continue
        try:
            yield Record(lines.number, from_json(line, check=refuse_deep))
        except (ValueError, ParseError) as exc:
            yield Record(lines.number, line.decode(errors="replace").strip(), f"It is not JSON: {exc}.")


def csv_records(lines: Lines, serializer: Serializer, taken: Sequence[str]) -> Iterator[Record]:
    """Return an iterator of the rows, as objects by the names in the first line. Raises Unreadable.

    `taken` are the fields that are taken from the file; columns of others are left out.
    """
    csv.field_size_limit(CELL_MAX_CHARACTERS)
    reader = csv.reader(lines.texts(), strict=True)
    try:
        header = next(reader, [])
    except csv.Error as exc:
        raise Unreadable(f"The first line is not CSV: {exc}.") from exc
    _check_header(header, lines.problem, serializer, taken)
    fields = serializer.fields
    columns = [(name, place, reader_of(fields[name])) for place, name in enumerate(header) if name in taken]
    return _rows(reader, lines, len(header), columns)


def _check_header(header: Sequence[str], problem: str, serializer: Serializer, taken: Sequence[str]) -> None:
    if problem:
        raise Unreadable(f"The first line cannot be read. {problem}")
    if not header:
        raise Unreadable("The first line is empty. In CSV it names the columns.")
    for name in header:
        if name not in serializer.fields:
            known = ", ".join(serializer.fields)
            hint = " Are the columns parted by commas?" if ";" in name or "\t" in name else ""
            raise Unreadable(
                f"The column {name[:50]!r} in the first line is no field. Fields are: {known}.{hint}"
            )
        if header.count(name) > 1:
            raise Unreadable(f"The column {name!r} is in the first line twice.")
    for name in taken:
        if serializer.fields[name].required and name not in header:
            raise Unreadable(f"The column {name!r} is missing in the first line.")


def _rows(
    reader: Any, lines: Lines, width: int, columns: Sequence[tuple[str, int, "Read | None"]]
) -> Iterator[Record]:
    while True:
        line, lines.problem = lines.number + 1, ""
        try:
            row = next(reader, None)
        except csv.Error as exc:
            if str(exc).startswith(_UNENDED):
                # What follows may be lines of this cell, or records: nobody can tell.
                raise Unreadable(
                    f"Line {line:,}: a cell that begins there has no end, or is longer than "
                    f"{CELL_MAX_CHARACTERS:,} characters. Is a quote missing? Nothing from there on can be "
                    "read. Correct it and run the same command again."
                ) from exc
            yield Record(line, None, f"It is not CSV: {exc}.")
            continue
        if row is None:
            return
        if not row and not lines.problem:
            continue  # a blank line
        if not lines.problem and len(row) != width:
            lines.problem = f"It has {len(row)} cells, and the first line names {width} columns."
        if lines.problem:
            yield Record(line, row, lines.problem)
            continue
        try:
            data = {name: row[place] if read is None else read(row[place]) for name, place, read in columns}
        except ValueError as exc:
            yield Record(line, row, str(exc))
            continue
        yield Record(line, {name: value for name, value in data.items() if value is not ABSENT})
