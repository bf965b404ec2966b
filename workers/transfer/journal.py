"""What is known of a file's import beside the file: which slices were handed over, and whether all are done.

Receipts say what became of a slice. The journal tells what they cannot: that a file is not the one that was
imported before, and what became of slices whose receipts are kept no more.
"""

from enum import Enum
from pathlib import Path
from types import TracebackType

from workers.transfer.errors import FileChanged, ImportStopped
from workers.transfer.part_file import BeingWritten, open_alone
from workers.transfer.slices import Slice

OUTSTANDING = 2
"""Slices of one import that may be in the stream: one that the writer applies, and the next one. Whoever
writes beside it waits for these at most; with one alone the writer would wait for the import after each."""

_DONE = "done"


class Noted(Enum):
    """What the journal knew of a slice."""

    NEW = "new"
    PERHAPS = "perhaps handed over"
    COMMITTED = "committed"


class Journal:
    """Of one file, in a file of its own, for one import at a time: its options, then a token for each slice.

    It stays when the import is done, where it `is_kept`: so a file that has grown or was corrected since is
    told from a new one, before a line of it is applied twice.
    """

    def __init__(self, path: Path, *, seed: str, is_kept: bool) -> None:
        """Raises ImportStopped, FileChanged where one with other options was interrupted, and OSError."""
        self.path = path
        self.is_kept = is_kept
        self._count = 0
        self._last_line = 0
        try:
            self._file = open_alone(path, "a+", buffering=1)
        except BeingWritten as exc:
            raise ImportStopped(f"Another import of this file is at work: it has {path} open.") from exc
        try:
            self._read(seed)
        except BaseException:
            self._file.close()
            raise

    def _read(self, seed: str) -> None:
        self._file.seek(0)
        text = self._file.read()
        self.noted_at = self.path.stat().st_mtime
        """When a slice was noted last, in seconds since 1970."""
        # Without what a kill or a full disk has left of a last line.
        whole = text[: text.rfind("\n") + 1]
        former, *tokens = whole.splitlines() or [seed]
        self._is_done = tokens[-1:] == [_DONE]
        tokens = tokens[: len(tokens) - self._is_done]
        if former != seed and tokens and not self._is_done:
            raise FileChanged(
                f"An import of this file was interrupted that had other options. Run it again as it was, or "
                f"remove {self.path} to begin a new one, which takes all lines once more."
            )
        if former != seed or not tokens:
            whole, tokens, self._is_done = "", [], False
        self._tokens = tokens
        if whole != text:
            self._file.truncate(len(whole))
        if not whole:
            self._file.write(f"{seed}\n")

    @property
    def is_resumed(self) -> bool:
        """Return whether an import of the file was interrupted."""
        return bool(self._tokens) and not self._is_done

    def find(self, part: Slice) -> Noted:
        """Return what is known of the next slice. Raises FileChanged."""
        place, self._count = self._count, self._count + 1
        if place >= len(self._tokens):
            if self._is_done:
                raise self._changed("has grown since")
            return Noted.NEW
        if self._tokens[place] != part.token:
            raise self._changed("has changed since")
        self._last_line = part.last_line
        # A slice is noted once all but OUTSTANDING of those before it were seen committed.
        is_committed = self._is_done or place < len(self._tokens) - OUTSTANDING - 1
        return Noted.COMMITTED if is_committed else Noted.PERHAPS

    def note(self, part: Slice) -> None:
        """Note a new slice that is about to be handed over. Raises OSError."""
        self._file.write(f"{part.token}\n")

    def _changed(self, how: str) -> FileChanged:
        known = f"Lines 1 to {self._last_line:,} are as they were. " if self._last_line else ""
        if self._is_done:
            return FileChanged(
                f"The file {how} it was imported. {known}Nothing was taken now. Import what is new or "
                "corrected as a file of its own, or use --label TEXT to take every line of this one, also "
                "those that were taken before."
            )
        return FileChanged(
            f"The file {how} its import was interrupted. {known}Put the former file back, or remove "
            f"{self.path} to import the new one, of which all lines from there on are taken, also those that "
            "were taken before."
        )

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Where nothing was raised, all of the file is done: note it, or remove the journal."""
        if exc is None and not self.is_kept:
            self.path.unlink(missing_ok=True)
        elif exc is None and not self._is_done:
            self._file.write(f"{_DONE}\n")
        self._file.close()
