"""What the clients sent and what they were told: their logs, read back as values.

A client logs, as one JSON object per line: `send` before each attempt, then `answer` or `lost`, and `status`
for what a write's status resource said later.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

DONE = frozenset({200, 201, 204})
NOT_APPLIED_CODES = frozenset({"queue_unavailable", "stream_full"})
"""Codes of a 503 that promise that nothing was accepted."""
IN_PROGRESS = "idempotency_key_in_progress"


class Verdict(StrEnum):
    """What a client knows of its write in the end."""

    COMMITTED = "committed"
    """200, 201 or 204: in the store."""
    ACCEPTED = "accepted"
    """202, or 409 because an earlier attempt waits: it will have an outcome."""
    DECLINED = "declined"
    """The writer's own no, 4xx or 5xx: no effect, and a receipt that says so."""
    REFUSED = "refused"
    """No attempt was accepted: no effect."""
    UNKNOWN = "unknown"
    """An attempt may have been applied."""


@dataclass(kw_only=True)
class Attempt:
    """One request."""

    sent_at: float
    status: int = 0
    """0 when there was no answer."""
    code: str = ""
    write_id: int = 0
    body: Any = None
    reached: bool = True
    """Whether the request can have reached the service."""

    @property
    def verdict(self) -> Verdict:
        if self.status in DONE:
            return Verdict.COMMITTED
        if self.status == 202 or (self.status == 409 and self.code == IN_PROGRESS):
            return Verdict.ACCEPTED
        if self.write_id and self.status >= 400:
            return Verdict.DECLINED
        if not self.reached or 400 <= self.status < 500 or self.code in NOT_APPLIED_CODES:
            return Verdict.REFUSED
        return Verdict.UNKNOWN


@dataclass(kw_only=True)
class Sent:
    """One logical write of a client, with all its attempts."""

    label: str
    """`<client>.<lane>.<number>`: unique, and part of the name that it gives to the item."""
    operation: str
    item: str
    """Label of the write that creates the item."""
    item_id: int = 0
    """The item's id where the request names it."""
    key: str = ""
    if_match: str = ""
    body: Any = None
    """What was sent."""
    attempts: list[Attempt] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.operation} {self.label}"

    @property
    def lane(self) -> str:
        """One connection, whose requests follow one another."""
        return self.label.rpartition(".")[0]

    @property
    def number(self) -> int:
        return int(self.label.rpartition(".")[2])

    @property
    def verdict(self) -> Verdict:
        verdicts = [attempt.verdict for attempt in self.attempts]
        for decisive in (Verdict.COMMITTED, Verdict.DECLINED, Verdict.ACCEPTED, Verdict.UNKNOWN):
            if decisive in verdicts:
                return decisive
        return Verdict.REFUSED

    @property
    def write_ids(self) -> list[int]:
        """The distinct ids that its answers gave, as sent."""
        return list(dict.fromkeys(attempt.write_id for attempt in self.attempts if attempt.write_id))


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the status resource said of a write that was accepted."""

    label: str
    write_id: int
    status: str
    """`queued`, `committed`, `rejected`, `failed`, or `missing` for 404."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What all clients know."""

    writes: list[Sent]
    statuses: list[Status] = field(default_factory=list)


def load(paths: Iterable[Path]) -> History:
    """Read the clients' logs."""
    lines = (json.loads(line) for path in paths for line in path.read_text().splitlines())
    return from_events(lines)


def from_events(events: Iterable[Mapping[str, Any]]) -> History:
    """Put the events together, write by write."""
    writes: dict[str, Sent] = {}
    statuses: list[Status] = []
    for event in events:
        label = event["label"]
        if event["event"] == "send":
            sent = writes.setdefault(
                label,
                Sent(
                    label=label,
                    operation=event["operation"],
                    item=event["item"],
                    item_id=event["item_id"],
                    key=event["key"],
                    if_match=event.get("if_match", ""),
                    body=event.get("body"),
                ),
            )
            sent.attempts.append(Attempt(sent_at=event["at"]))
        elif event["event"] == "status":
            statuses.append(Status(label=label, write_id=event["write_id"], status=event["status"]))
        else:
            attempt = writes[label].attempts[-1]
            for name in ("status", "code", "write_id", "body", "reached"):
                setattr(attempt, name, event.get(name, getattr(attempt, name)))
    return History(writes=list(writes.values()), statuses=statuses)


def item_name(item: str, label: str) -> str:
    """Return the name that a write gives to an item: it tells the item and the write."""
    return f"{item}/{label}"


def parse_name(name: str) -> tuple[str, str]:
    """Return the labels of the item's creation and of the write that gave the name; empty for others'."""
    item, _, label = name.partition("/")
    return (item, label) if label else ("", "")
