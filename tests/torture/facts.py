"""A run as the rules look at it: what the clients know and what the store holds, indexed."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from tests.torture.history import History, Sent, Verdict, parse_name
from tests.torture.snapshot import Receipt, Snapshot
from workers.submission import idempotency

FUNCTIONS = {
    "create": "items.create",
    "update": "items.update",
    "delete": "items.delete",
    "bulk": "items.create_many",
    "transact": "items.transact",
}
"""The write function behind each operation of a client."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A promise that was not kept."""

    kind: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.evidence}"


@dataclass(kw_only=True)
class Facts:
    """A run, indexed."""

    history: History
    snapshot: Snapshot

    @cached_property
    def receipts(self) -> dict[int, Receipt]:
        return {receipt.write_id: receipt for receipt in self.snapshot.receipts}

    @cached_property
    def owner(self) -> dict[int, Sent]:
        """The client's write behind a receipt, as far as it can be told: by answer, by key, by name."""
        by_label = {sent.label: sent for sent in self.history.writes}
        by_id = {write_id: sent for sent in self.history.writes for write_id in sent.write_ids}
        principals = {receipt.principal for receipt in self.snapshot.receipts}
        by_token = {
            idempotency.from_key(sent.key, principal=principal, request=None).token: sent
            for sent in self.history.writes
            if sent.key
            for principal in principals
        }
        owners = {}
        for receipt in self.snapshot.receipts:
            sent = by_label.get(_label(receipt)) or by_token.get(receipt.token) or by_id.get(receipt.write_id)
            if sent is not None:
                owners[receipt.write_id] = sent
        return owners

    @cached_property
    def maybe_deleted(self) -> set[int]:
        """Items of which no receipt tells whether they were deleted: nobody heard, and there was no key."""
        return {
            sent.item_id
            for sent in self.history.writes
            if sent.operation == "delete" and sent.verdict is Verdict.UNKNOWN and not sent.key
        }

    @cached_property
    def receipts_of(self) -> dict[str, list[Receipt]]:
        """The receipts behind each client's write, by its label."""
        found = defaultdict(list)
        for write_id, sent in self.owner.items():
            found[sent.label].append(self.receipts[write_id])
        return found


def _label(receipt: Receipt) -> str:
    """Return the label of the write that gave an item its name, where the receipt shows an item."""
    return next((label for item in receipt.shown if (label := parse_name(item["name"])[1])), "")
