"""Gives the room of deleted rows back to the disk: in slices, between which others write.

SQLite uses that room again by itself, so this is for a store that has become much too large. What it gives
back at a time is possible in a store with incremental vacuum, which is chosen when a store is made:
https://www.sqlite.org/pragma.html#pragma_incremental_vacuum. Any other one has to be written anew as a whole.
"""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.conf import settings
from workers.store import pragmas
from workers.store.lock.guard import Guard

SLICE_SECONDS = 0.05
"""How long others wait for a slice, as nearly as the number of its pages can be chosen."""

FIRST_SLICE_PAGES = 64

INCREMENTAL = 2
"""How SQLite reads `auto_vacuum = INCREMENTAL` back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a store has and what of it is free."""

    pages: int
    free_pages: int
    page_bytes: int
    is_incremental: bool

    @property
    def size_bytes(self) -> int:
        return self.pages * self.page_bytes

    @property
    def free_bytes(self) -> int:
        return self.free_pages * self.page_bytes


def room_of(raw: sqlite3.Connection) -> Room:
    """Return the room of an open store. Raises sqlite3.Error."""
    found: dict[str, Any] = pragmas.read(raw, ["page_count", "freelist_count", "page_size", "auto_vacuum"])
    return Room(
        pages=found["page_count"],
        free_pages=found["freelist_count"],
        page_bytes=found["page_size"],
        is_incremental=found["auto_vacuum"] == INCREMENTAL,
    )


def give_back(guard: Guard, pages: int, on_slice: Callable[[int], None]) -> float:
    """Give so many free pages back; return for how long a slice held the store lock at most, in seconds.

    `on_slice` is called with the pages given back so far. Raises what `Guard.run` does.
    """
    done, size, longest = 0, FIRST_SLICE_PAGES, 0.0
    while done < pages:
        asked = min(size, pages - done)
        seconds = guard.run(lambda asked=asked: _slice(guard.raw, asked))  # type: ignore[misc]  # mypy 17484
        done, longest = done + asked, max(longest, seconds)
        on_slice(done)
        # At most twice as many: a disk that was quick once may not be so again.
        size = max(1, min(size * 2, int(asked * SLICE_SECONDS / max(seconds, 1e-6))))
    return longest


def _slice(raw: sqlite3.Connection, pages: int) -> float:
    started = time.monotonic()
    # Each step gives one page back, as a row without columns, after the first of which `execute` stops.
    raw.executescript(f"PRAGMA incremental_vacuum({pages})")
    return time.monotonic() - started


def rewrite(guard: Guard) -> None:
    """Write the store anew, with incremental vacuum from now on. Nobody writes meanwhile.

    See https://www.sqlite.org/lang_vacuum.html. Raises what `Guard.run` does.
    """
    with guard.kept(settings.WRITE_LOCK_WAIT_SECONDS):
        guard.run(lambda: guard.raw.execute("PRAGMA auto_vacuum = INCREMENTAL").fetchall())
        guard.run(lambda: guard.raw.execute("VACUUM"))
