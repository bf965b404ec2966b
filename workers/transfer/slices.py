"""A file cut into slices, each of which is one write, and the list of slices that have been handed over.

A slice's token is a digest of the file up to its end. So the same command, run again on the same file, makes
the same writes, and each takes effect once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from workers.transfer.sources import Lines, Record

SLICE_MAX_BYTES = 131_072
"""Of the file: what is more is the next slice, however few lines it has."""


class FileChanged(Exception):
    """The file is not what it was when an import of it began; the message says from which line on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Records that are one write."""

    records: list[Record]
    token: str
    read_bytes: int
    """Of the file, up to its end."""

    @property
    def first_line(self) -> int:
        return self.records[0].line

    @property
    def last_line(self) -> int:
        """Return the line at which its last record begins."""
        return self.records[-1].line


def slices(records: Iterable[Record], lines: Lines, *, at_most: int) -> Iterator[Slice]:
    """Yield slices of so many records at most, cut at the same places each time."""
    gathered: list[Record] = []
    began = 0
    for record in records:
        gathered.append(record)
        if len(gathered) == at_most or lines.read_bytes - began >= SLICE_MAX_BYTES:
            yield Slice(records=gathered, token=lines.digest(), read_bytes=lines.read_bytes)
            gathered, began = [], lines.read_bytes
    if gathered:
        yield Slice(records=gathered, token=lines.digest(), read_bytes=lines.read_bytes)


class Journal:
    """The tokens of the slices that were handed over, one in each line of a file, until the import is done.

    With it a file that was changed in between is told from another one, before a line of it is applied twice.
    """

    def __init__(self, path: Path, *, seed: str) -> None:
        """Raises OSError, and FileChanged where another import of the same file was interrupted."""
        self.path = path
        text = path.read_text() if path.exists() else ""
        # Without what a kill or a full disk has left of a last line.
        whole = text[: text.rfind("\n") + 1]
        self._former = whole.splitlines()
        if self._former and self._former[0] != seed:
            raise FileChanged(
                f"An import of this file was interrupted that had other options. Run it again as it was, or "
                f"remove {path} to begin a new one, which takes all lines once more."
            )
        self.is_resumed = len(self._former) > 1
        self._count = 0
        self._last_line = 0
        self._file = path.open("a", buffering=1)
        self._file.truncate(len(whole))
        if not self._former:
            self._file.write(seed + "\n")

    def note(self, part: Slice) -> None:
        """Note a slice that is about to be handed over. Raises FileChanged, and OSError."""
        self._count += 1
        if self._count >= len(self._former):
            self._file.write(part.token + "\n")
        elif self._former[self._count] != part.token:
            raise FileChanged(
                f"The file has changed since its import was interrupted, in line {self._last_line + 1:,} or "
                f"later. Lines 1 to {self._last_line:,} are as they were. Put the former file back, "
                f"or remove {self.path} to import the new one, of which all lines from there on "
                "are taken, also those that were taken before."
            )
        self._last_line = part.last_line

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it and, where nothing was raised, remove it: all of the file is done."""
        self._file.close()
        if exc is None:
            self.path.unlink(missing_ok=True)
