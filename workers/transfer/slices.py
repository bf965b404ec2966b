"""A file cut into slices, each of which is one write.

A slice's token is a digest of the file up to its end. So the same command, run again on the same file, makes
the same writes, and each takes effect once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.transfer.sources import Lines, Record

SLICE_MAX_BYTES = 131_072
"""Of the file: what is more is the next slice, however few lines it has."""


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
