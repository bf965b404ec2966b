"""What must hold of ordinary writes after any run: a pure function of what clients know and what is kept."""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.torture.facts import Violation

REFUSED = frozenset({404, 503})
"""Statuses that promise that nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the store holds of them."""

    notes: Sequence[tuple[int, str]]
    """Id, and `<label> <operation> <item>`, in the order of the ids."""
    topics: Sequence[str]
    """`<item> <label of the last change>`."""


def load(log: Path) -> list[dict[str, Any]]:
    """Read what the clients logged."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def read(store: Path) -> Kept:
    """Read a copy of the store."""
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        notes = connection.execute("SELECT id, text FROM jottings_jotting ORDER BY id").fetchall()
        topics = [name for (name,) in connection.execute("SELECT name FROM jottings_topic ORDER BY name")]
    return Kept(notes=notes, topics=topics)


def check(sent: Iterable[Mapping[str, Any]], kept: Kept) -> list[Violation]:
    """Return every write that was lost, doubled, reordered, torn, or applied though it was refused."""
    by_label = {one["label"]: one for one in sent}
    return [*_singles(by_label, kept), *_order(kept), *_effects(kept)]


def _singles(sent: Mapping[str, Mapping[str, Any]], kept: Kept) -> Iterator[Violation]:
    ids = {text.split()[0]: number for number, text in kept.notes}
    for label, count in Counter(text.split()[0] for _, text in kept.notes).items():
        if count > 1:
            yield Violation(kind="duplicate", evidence=f"ordinary write {label} was applied {count} times")
    for label, one in sent.items():
        told = f"ordinary write {label} ({one['operation']}) got {one['status']}"
        if one["status"] == 200 and ids.get(label) != one["id"]:
            yield Violation(
                kind="lost", evidence=f"{told} and id {one['id']}, the store has {ids.get(label)}"
            )
        elif label in ids and (one["status"] in REFUSED or not one["reached"]):
            yield Violation(kind="applied though refused", evidence=f"{told} {one.get('said')}")
        elif one["status"] not in {0, 200, *REFUSED}:
            yield Violation(kind="unexpected answer", evidence=f"{told} {one.get('said')}")
    for label in ids.keys() - sent.keys():
        yield Violation(kind="foreign", evidence=f"nobody logged the ordinary write {label}")


def _order(kept: Kept) -> Iterator[Violation]:
    lanes: dict[str, list[str]] = {}
    for _, text in kept.notes:
        label = text.split()[0]
        lanes.setdefault(label.partition(".")[0], []).append(label)
    for labels in lanes.values():
        for first, second in pairwise(labels):
            if second <= first:
                yield Violation(kind="reordered", evidence=f"ordinary write {second} came after {first}")


def _effects(kept: Kept) -> Iterator[Violation]:
    """The topics are what the notes say, because each change was made with its note or not at all."""
    expected: dict[str, str] = {}
    for _, text in kept.notes:
        label, operation, item = text.split()
        if operation == "delete":
            expected.pop(item, None)
        else:
            expected[item] = f"{item} {label}"
    for name in sorted(set(expected.values()) ^ set(kept.topics)):
        what = "has no note" if name in kept.topics else "is not there"
        yield Violation(kind="torn", evidence=f"topic {name!r} {what}")
