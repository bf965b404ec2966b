"""Failed writes and their retries: a retry is a new write with the same function, arguments and principal.

A failed write, its retries, and the retries of those that failed again form a *family*, of which one member
at most may take effect. The token of a retry follows from the latest member of its family. Two operators who
retry at the same moment, or one who retries twice while nothing is committed, therefore send the same token,
which takes effect once.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from workers import registry
from workers.exceptions import AcceptanceUnknown, NotAccepted, UnknownWriteFunction
from workers.models import Receipt
from workers.submission.client import submit
from workers.submission.submission import Submission
from workers.writes import UNDECODABLE, WriteStatus, decode_arguments

AT_ONCE = 100
"""Retries submitted before their outcomes are awaited: many share a batch, and the stream is not overrun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """Which write tried which again. Plain values."""

    parents: Mapping[int, int]
    """From a retry's id to that of the write it tried again."""
    kinds: Mapping[int, WriteStatus]
    """What became of each retry."""
    children: Mapping[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, retries: Iterable[tuple[int, int | None, str]]) -> "Families":
        """Make families from (id, id of the write tried again, outcome)."""
        parents: dict[int, int] = {}
        kinds: dict[int, WriteStatus] = {}
        children: dict[int, list[int]] = defaultdict(list)
        for write_id, retry_of, outcome in retries:
            if retry_of is not None:
                parents[write_id], kinds[write_id] = retry_of, WriteStatus(outcome)
                children[retry_of].append(write_id)
        return cls(parents=parents, kinds=kinds, children=children)

    def root(self, write_id: int) -> int:
        """Return the first write of the family."""
        # A retry's id is higher than that of the write it tries again, so this ends.
        while self.parents.get(write_id, write_id) < write_id:
            write_id = self.parents[write_id]
        return write_id

    def members(self, write_id: int) -> Iterator[int]:
        """Yield the family, its first write first."""
        pending = [self.root(write_id)]
        while pending:
            member = pending.pop(0)
            yield member
            pending += self.children.get(member, [])

    def committed(self, write_id: int) -> int | None:
        """Return the retry of this family that was committed, if any."""
        return next(
            (one for one in self.members(write_id) if self.kinds.get(one) is WriteStatus.COMMITTED), None
        )


def families() -> Families:
    """Read from the receipts which write tried which again."""
    retries = Receipt.objects.filter(retry_of__isnull=False).order_by("write_id")
    return Families.of(retries.values_list("write_id", "retry_of", "status"))


def refusal(receipt: Receipt, known: Families) -> str:
    """Return why the write cannot be tried again; empty when it can."""
    if receipt.status != WriteStatus.FAILED:
        return f"it is not failed but {receipt.status}"
    if receipt.function == UNDECODABLE:
        return "its entry could not be decoded, so nobody knows what it was to do"
    committed = known.committed(receipt.pk)
    if committed is not None:
        return f"it was retried already, and committed as {committed}"
    if not receipt.arguments:
        return "its arguments were not kept"
    try:
        registry.find(receipt.function)
    except UnknownWriteFunction as exc:
        return str(exc)[:1].lower() + str(exc)[1:]
    return ""


def retry(receipt: Receipt, known: Families) -> Submission:
    """Submit the write again as a new one that refers to it. To be called only where `refusal` is empty."""
    latest = max(known.members(receipt.pk))
    return submit(
        receipt.function,
        decode_arguments(receipt.arguments),
        principal=receipt.principal,
        token=token_after(latest),
        retry_of=receipt.pk,
    )


def token_after(write_id: int) -> str:
    """Return the token of the write that tries this one again."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"retry after {write_id}").hex


def outcome_in_words(submission: Submission, seconds: float) -> tuple[str, str]:
    """Wait for a retry, and return what became of it: in a word, and in a clause without its full stop."""
    try:
        outcome = submission.wait(seconds)
    except NotAccepted as exc:
        return "not accepted", f"not accepted. {str(exc).rstrip('.')}"
    except AcceptanceUnknown:
        return "unknown", "unknown. Redis did not confirm it in time"
    if outcome is None:
        return "waiting", f"waits as {submission.write_id}. It is committed when a writer works"
    word = "failed again" if outcome.status is WriteStatus.FAILED else str(outcome.status)
    clause = f"{word} as {outcome.write_id}, status {outcome.http_status}"
    detail = "" if outcome.status is WriteStatus.COMMITTED else outcome.json().get("detail", "")
    return word, f"{clause}. {detail}".rstrip(". ")


def latest_of_each_family(receipts: Iterable[Receipt], known: Families) -> list[Receipt]:
    """Return, in the order of the first writes, one failed receipt for each family."""
    latest: dict[int, Receipt] = {}
    for receipt in receipts:
        root = known.root(receipt.pk)
        if root not in latest or receipt.pk > latest[root].pk:
            latest[root] = receipt
    return [latest[root] for root in sorted(latest)]
