"""What must hold after any run: pure functions over what the clients know and what the store holds.

Each rule yields violations. A rule is a promise of DESIGN.md in terms of clients and rows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.torture.facts import FUNCTIONS, Facts, Violation
from tests.torture.history import IN_PROGRESS, History, Sent, Verdict, parse_name
from tests.torture.replay import effects_match_receipts
from tests.torture.snapshot import COMMITTED, Snapshot

EXPECTED_STATUSES = frozenset({200, 201, 202, 204, 404, 412, 503})
EXPECTED_CODES = frozenset({IN_PROGRESS, "write_killed_writer", "bad_gateway"})
"""Of other answers. A write at hand in several deaths of the writer is set aside: failed, without effect.
A proxy says bad_gateway when the web host behind it fails: then nobody knows."""
NOT_APPLIED = frozenset({Verdict.REFUSED, Verdict.DECLINED})


def check(history: History, snapshot: Snapshot) -> list[Violation]:
    """Return every promise that was not kept, with its evidence."""
    facts = Facts(history=history, snapshot=snapshot)
    found = [Violation(kind="corrupt", evidence=fault) for fault in snapshot.faults]
    return found + [violation for rule in RULES for violation in rule(facts)]


def answers_are_expected(facts: Facts) -> Iterator[Violation]:
    for sent in facts.history.writes:
        for attempt in sent.attempts:
            is_expected = attempt.status in EXPECTED_STATUSES or attempt.code in EXPECTED_CODES
            if attempt.status and not is_expected:
                evidence = f"{sent} got {attempt.status} {attempt.code} {attempt.body}"
                yield Violation(kind="unexpected answer", evidence=evidence)


def receipts_are_in_order(facts: Facts) -> Iterator[Violation]:
    receipts = facts.snapshot.receipts
    for token, count in Counter(receipt.token for receipt in receipts).items():
        if count > 1:
            yield Violation(kind="duplicate", evidence=f"token {token} has {count} receipts")
    for one, next_one in pairwise(receipts):
        if next_one.write_id <= one.write_id or next_one.committed_at < one.committed_at:
            moments = f"{one.committed_at} and {next_one.committed_at}"
            evidence = f"{one.write_id} and {next_one.write_id} were committed at {moments}"
            yield Violation(kind="reordered", evidence=evidence)


def answers_have_their_receipt(facts: Facts) -> Iterator[Violation]:
    """A write with an answer from the service has one receipt, which says the same."""
    for sent in facts.history.writes:
        for attempt in sent.attempts:
            receipt = facts.receipts.get(attempt.write_id)
            if attempt.verdict in {Verdict.REFUSED, Verdict.UNKNOWN}:
                continue
            told = f"{sent} was told {attempt.status} as write {attempt.write_id}"
            if receipt is None:
                yield Violation(kind="lost", evidence=f"{told}, which has no receipt")
            elif receipt.function != FUNCTIONS[sent.operation]:
                yield Violation(kind="false response", evidence=f"{told}, but that is {receipt.function}")
            elif attempt.verdict is not Verdict.ACCEPTED and (
                receipt.http_status != attempt.status
                or (attempt.verdict is Verdict.COMMITTED and receipt.body != attempt.body)
            ):
                evidence = f"{told} {attempt.body}, but its receipt says {receipt.http_status} {receipt.body}"
                yield Violation(kind="false response", evidence=evidence)


def ids_are_told_once(facts: Facts) -> Iterator[Violation]:
    told = Counter(write_id for sent in facts.history.writes for write_id in sent.write_ids)
    for write_id, count in told.items():
        if count > 1:
            yield Violation(kind="false response", evidence=f"{count} writes were told the id {write_id}")


def statuses_are_true(facts: Facts) -> Iterator[Violation]:
    for status in facts.history.statuses:
        receipt = facts.receipts.get(status.write_id)
        if status.status == "missing":
            evidence = f"write {status.write_id} of {status.label} was accepted, and its status was 404"
            yield Violation(kind="lost", evidence=evidence)
        elif status.status != "queued" and (receipt is None or receipt.status != status.status):
            evidence = f"write {status.write_id} was said to be {status.status}, its receipt is {receipt}"
            yield Violation(kind="false response", evidence=evidence)


def effects_are_single(facts: Facts) -> Iterator[Violation]:
    """A write, however often it was sent, is committed at most once; one that was refused, never."""
    for sent in facts.history.writes:
        committed = [
            receipt.write_id for receipt in facts.receipts_of[sent.label] if receipt.status == COMMITTED
        ]
        if len(committed) > 1:
            yield Violation(kind="duplicate", evidence=f"{sent} was committed as {committed}")
        if committed and sent.verdict in NOT_APPLIED:
            evidence = f"{sent} was {sent.verdict}, and committed as {committed}"
            yield Violation(kind="applied though refused", evidence=evidence)
    refused = {sent.label for sent in facts.history.writes if sent.verdict in NOT_APPLIED}
    for row in facts.snapshot.rows:
        if parse_name(row.name)[1] in refused:
            yield Violation(kind="applied though refused", evidence=f"{row}")
    for item, count in Counter(parse_name(row.name)[0] for row in facts.snapshot.rows).items():
        if item and count > 1:
            yield Violation(kind="duplicate", evidence=f"item {item} has {count} rows")


def lanes_are_in_order(facts: Facts) -> Iterator[Violation]:
    """What one connection sent one after another was accepted and applied in that order."""
    lanes: dict[str, list[Sent]] = defaultdict(list)
    for sent in facts.history.writes:
        lanes[sent.lane].append(sent)
    for lane in lanes.values():
        lane.sort(key=lambda sent: sent.number)
        ids = [(sent, sent.write_ids[-1]) for sent in lane if sent.write_ids]
        rows = [(sent, item_id) for sent in lane for item_id in _created_ids(sent)]
        for what, numbers in (("write", ids), ("row", rows)):
            for (one, first), (next_one, second) in pairwise(numbers):
                if second <= first:
                    evidence = f"{one} is {what} {first}, the later {next_one} is {second}"
                    yield Violation(kind="reordered", evidence=evidence)


def _created_ids(sent: Sent) -> list[int]:
    """Return the ids of the items that it created, in order, as far as an answer told them."""
    for attempt in sent.attempts:
        if attempt.verdict is Verdict.COMMITTED and isinstance(attempt.body, dict):
            if "results" not in attempt.body:
                return [attempt.body["id"]] if attempt.status == 201 else []
            return [result["item"]["id"] for result in attempt.body["results"] if result["status"] == 201]
    return []


RULES = (
    answers_are_expected,
    receipts_are_in_order,
    answers_have_their_receipt,
    ids_are_told_once,
    statuses_are_true,
    effects_are_single,
    lanes_are_in_order,
    effects_match_receipts,
)
