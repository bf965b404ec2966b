"""The check of ordinary writes notices each thing that must not happen."""

from typing import Any

import pytest

from tests.torture.ordinary.check import Kept, check

NOTES = [(1, "o0.000001 create o0.000001"), (2, "o0.000002 update o0.000001")]
TOPICS = ["o0.000001 o0.000002"]


def sent(number: int, status: int, **other: Any) -> dict[str, Any]:
    label = f"o0.{number:06}"
    operation = "create" if number == 1 else "update"
    told = number if status == 200 else None
    return {"label": label, "operation": operation, "status": status, "reached": True, "id": told} | other


def kinds(events: list[dict[str, Any]], notes: Any = NOTES, topics: Any = TOPICS) -> set[str]:
    return {violation.kind for violation in check(events, Kept(notes=notes, topics=topics))}


def test_what_is_kept_as_it_was_told_is_right_and_so_is_what_nobody_heard_of() -> None:
    assert kinds([sent(1, 200), sent(2, 200)]) == set()
    assert kinds([sent(1, 200), sent(2, 0)]) == set()
    assert kinds([sent(1, 200), sent(2, 200), sent(3, 0), sent(4, 503)]) == set()


@pytest.mark.parametrize(
    ("events", "notes", "topics", "expected"),
    [
        ([sent(1, 200), sent(2, 200), sent(3, 200)], NOTES, TOPICS, "lost"),
        ([sent(1, 200), sent(2, 200)], [*NOTES, (3, NOTES[1][1])], TOPICS, "duplicate"),
        ([sent(1, 200), sent(2, 503)], NOTES, TOPICS, "applied though refused"),
        ([sent(1, 200), sent(2, 0, reached=False)], NOTES, TOPICS, "applied though refused"),
        ([sent(1, 200), sent(2, 500)], NOTES, TOPICS, "unexpected answer"),
        ([sent(1, 200, id=2), sent(2, 200, id=1)], [(1, NOTES[1][1]), (2, NOTES[0][1])], [], "reordered"),
        ([sent(1, 200), sent(2, 200)], NOTES, ["o0.000001 o0.000001"], "torn"),
        ([sent(1, 200)], NOTES, TOPICS, "foreign"),
    ],
)
def test_what_must_not_happen_is_noticed(events: Any, notes: Any, topics: Any, expected: str) -> None:
    assert expected in kinds(events, notes, topics)
