"""An import: slices of a file are checked, handed over as writes, and awaited, a few at a time.

Whatever ends it (a kill, Ctrl-C, an error), the same import run again goes on: what has a receipt is not
handed over again, and what is handed over twice takes effect once, by its token.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rest_framework.serializers import Serializer

from workers.principals import user_of
from workers.rest.validation import leave_uniqueness_to_the_store, tell_current_user
from workers.store import receipts
from workers.transfer.checking import Errors, checked
from workers.transfer.errors import ImportStopped
from workers.transfer.handing_over import SliceWrite
from workers.transfer.journal import OUTSTANDING, Journal, Noted
from workers.transfer.report import Report
from workers.transfer.slices import Slice
from workers.writes import Outcome, WriteStatus


@dataclass(kw_only=True)
class Counts:
    """How many records an import has seen."""

    records: int = 0
    created: int = 0
    """By this run."""
    created_before: int = 0
    """By earlier runs of the same import."""
    refused: int = 0
    """By any of these runs."""
    untold: int = 0
    """Of slices whose receipts are kept no more: created before, or refused."""

    @property
    def taken(self) -> int:
        """Return how many may be in the store."""
        return self.created + self.created_before + self.untold


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is imported, and as whom."""

    function: str
    """The write function of a slice. It gets `data` (rows), `refused` and `verbatim`."""
    serializer_class: type[Serializer]
    sends_validated: bool
    """Whether a row is what the serializer made of it, or what stands in the file."""
    principal: str
    verbatim: bool


class Import:
    """One run of an import."""

    def __init__(
        self,
        plan: Plan,
        report: Report,
        *,
        journal: Journal | None,
        on_progress: Callable[[Counts, int], None],
        on_wait: Callable[[str], None],
    ) -> None:
        """`on_progress` is called with the bytes of the file that are done, `on_wait` with a reason.

        Without a journal nothing is written: it is a dry run.
        """
        self.counts = Counts()
        self._plan = plan
        self._serializer = plan.serializer_class()
        # The writer tells it: here, what an earlier run has written would be in its own way.
        leave_uniqueness_to_the_store(self._serializer)
        tell_current_user(self._serializer, user_of(plan.principal) if plan.principal else None)
        self._report = report
        self._journal = journal
        self._on_progress = on_progress
        self._on_wait = on_wait
        self._outstanding: deque[SliceWrite] = deque()

    def run(self, parts: Iterable[Slice]) -> None:
        """Import them. Raises ImportStopped, WritePathError, OSError and django.db.Error."""
        for part in parts:
            if self._journal is None:
                self._try(part)
            else:
                self._begin(part, self._journal)
        while self._outstanding:
            self._settle(self._outstanding.popleft())
        if self._journal is not None and not self.counts.taken:
            self._journal.is_kept = False  # it may be corrected, and nothing is taken twice

    def _try(self, part: Slice) -> None:
        rows, refused = self._checked(part)
        self.counts.created += len(rows)
        self._count(part, refused)

    def _begin(self, part: Slice, journal: Journal) -> None:
        """Hand a slice over when there is room for it, unless it is known what became of it."""
        noted = journal.find(part)
        write = SliceWrite(part, function=self._plan.function, principal=self._plan.principal)
        if not write.known and noted is Noted.COMMITTED:
            self._pass_by(part)
            return
        if not write.known and noted is Noted.PERHAPS and not receipts.are_kept_since(journal.noted_at):
            raise _untold(part, journal)
        # Checked before there is room, while the writer applies the ones before it; and before it is noted:
        # a serializer that raises leaves nothing to go on with.
        rows, refused = ([], []) if write.known else self._checked(part)
        while len(self._outstanding) >= OUTSTANDING:
            self._settle(self._outstanding.popleft())
        if noted is Noted.NEW:
            journal.note(part)
        if not write.known:
            write.hand_over({"data": rows, "refused": refused, "verbatim": self._plan.verbatim})
        self._outstanding.append(write)

    def _checked(self, part: Slice) -> tuple[list[object], list[tuple[int, Errors]]]:
        return checked(part, self._serializer, as_validated=self._plan.sends_validated)

    def _settle(self, write: SliceWrite) -> None:
        """Wait for the outcome of a slice, and count what it says."""
        part, outcome = write.part, write.known or write.outcome(self._on_wait)
        if outcome.status is not WriteStatus.COMMITTED:
            raise _stopped(part, outcome)
        body = outcome.json()
        if write.known:
            self.counts.created_before += body["created"]
        else:
            self.counts.created += body["created"]
        self._count(part, body["refused"])

    def _pass_by(self, part: Slice) -> None:
        """Count a slice of which the journal alone knows that it was committed."""
        while self._outstanding:
            self._settle(self._outstanding.popleft())
        self.counts.untold += len(part.records)
        self._count(part, ())

    def _count(self, part: Slice, refused: Iterable[tuple[int, Errors]]) -> None:
        for place, errors in refused:
            self._report.add(part.records[place], errors)
            self.counts.refused += 1
        self.counts.records += len(part.records)
        self._on_progress(self.counts, part.read_bytes)


def _untold(part: Slice, journal: Journal) -> ImportStopped:
    return ImportStopped(
        f"Lines {part.first_line:,} to {part.last_line:,} were perhaps taken before the import was "
        "interrupted. Nobody can tell: receipts of that time are kept no more (WRITE_RECEIPT_DAYS, "
        "WRITE_MAX_RECEIPTS). "
        f"What is before these lines was taken. Look for them in the store; then remove {journal.path}, and "
        "import what is missing as a file of its own."
    )


def _stopped(part: Slice, outcome: Outcome) -> ImportStopped:
    told = outcome.json()
    lines = f"Lines {part.first_line:,} to {part.last_line:,}"
    text = f"{lines} were {outcome.status}: {told['code']}, {told['detail']}"
    if outcome.status is WriteStatus.FAILED:
        text += f"\n`manage.py failed_writes --show {outcome.write_id}` says more."
    return ImportStopped(f"{text}\nWhat is before them is imported. Run the same command again to go on.")
