"""Whether two tables hold the same: how many rows, and a checksum over their values in Python."""

import hashlib
from dataclasses import dataclass

from workers.moving.tables import Rows, Table, changed

_BITS = 128


@dataclass(slots=True)
class Checksum:
    """Of the rows of one table, in whatever order they come."""

    rows: int = 0
    total: int = 0
    """Of the digests of all rows: two databases give them in different orders."""

    def add(self, table: Table, rows: Rows) -> None:
        """Count rows in, with their values as `converted` gives them."""
        total = 0
        for row in changed(rows, [conversion.hashed for conversion in table.conversions]):
            digest = hashlib.blake2b(repr(row).encode(errors="backslashreplace"), digest_size=_BITS // 8)
            total += int.from_bytes(digest.digest(), "big")
        self.rows += len(rows)
        self.total = (self.total + total) % 2**_BITS
