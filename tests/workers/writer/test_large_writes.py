"""A large write begins a batch: what waits before it is committed and told before it is applied."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
from django.test import override_settings

from tests.jottings.write_functions import texts
from workers import submit
from workers.models import Receipt
from workers.store import wal
from workers.stream import cancellations, redis_stream
from workers.stream.cancellations import Cancelled
from workers.writer import commit
from workers.writer.loop import Writer
from workers.writes import Write

PADDING = {"padding": "x" * 10_000}
"""Beside its text: more than half of a client's share. No column need hold it."""

Batches = list[list[str]]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Batches:
    """The texts of each batch that is committed, `L` for a large one."""
    commit_batch: Callable[..., Any] = commit.commit_batch
    seen: Batches = []

    def note(writes: Sequence[Write], **options: Any) -> Any:
        seen.append([write.arguments["data"]["text"] for write in writes])
        return commit_batch(writes, **options)

    monkeypatch.setattr(commit, "commit_batch", note)
    return seen


def accept(texts: str) -> list[int]:
    """Have a write accepted for each letter, a large one for each L; return their ids."""
    return [
        submit("jottings.add", {"data": {"text": text}} | (PADDING if text == "L" else {})).accepted()
        for text in texts
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ab", [["a", "b"]]),
        ("La", [["L", "a"]]),
        ("LLa", [["L", "L", "a"]]),
        ("abLcLL", [["a", "b"], ["L", "c"], ["L", "L"]]),
    ],
)
def test_what_waits_before_a_large_write_is_a_batch_of_its_own(
    writer: Writer, clean_redis: redis.Redis, batches: Batches, order: str, expected: Batches
) -> None:
    ids = accept(order)
    writer.drain()

    assert batches == expected
    assert list(Receipt.objects.order_by("pk").values_list("write_id", flat=True)) == ids
    assert redis_stream.length(clean_redis) == 0


def test_where_clients_have_no_shares_all_are_one_batch(writer: Writer, batches: Batches) -> None:
    with override_settings(WRITE_SHARE_BYTES=0):
        accept("aLb")
        writer.drain()

    assert batches == [["a", "L", "b"]]


def test_what_is_read_and_waits_is_applied_once_when_redis_goes_away_before_the_acknowledgement(
    writer: Writer, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept("aLbLc")

    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with monkeypatch.context() as patch, pytest.raises(redis.ConnectionError):
        patch.setattr(redis_stream, "acknowledge", away)
        writer.drain()
    writer.drain()

    assert texts() == ["a", "L", "b", "L", "c"]
    assert batches == [["a"], list("aLbLc")]  # and what the writer still had was forgotten


def test_another_writer_finds_what_this_one_has_read_and_not_committed(
    writer: Writer, batches: Batches
) -> None:
    accept("aL")
    writer._step(wait_seconds=0)
    successor = Writer()
    successor.drain()
    writer.drain()

    assert texts() == ["a", "L"]


def test_one_that_is_cancelled_while_it_waits_in_the_writer_is_not_applied(
    writer: Writer, clean_redis: redis.Redis, batches: Batches
) -> None:
    _, large = accept("aL")
    writer._step(wait_seconds=0)
    assert cancellations.cancel(clean_redis, [large]) == [Cancelled.READ]
    writer.drain()

    assert texts() == ["a"]
    assert Receipt.objects.get(pk=large).json()["code"] == "cancelled"


@pytest.mark.sqlite  # PostgreSQL sees to its log itself
def test_the_log_is_emptied_one_batch_after_a_large_one_and_no_later(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = wal.checkpoint
    emptied: list[bool] = []
    counts: list[int] = []

    def note(*given: Any) -> bool:
        emptied.append(checkpoint(*given))
        return emptied[-1]

    monkeypatch.setattr(wal, "checkpoint", note)

    with override_settings(WRITE_CHECKPOINT_BYTES=1):
        for text in "aLaLLLL":
            accept(text)
            writer._step(wait_seconds=0)
            counts.append(len(emptied))

    assert counts == [1, 1, 2, 2, 3, 3, 4]
    assert all(emptied)
