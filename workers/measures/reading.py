"""What the writer has measured: the history of the last 15 minutes, and totals. For any process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from workers.exceptions import QueueUnavailable
from workers.measures import slots
from workers.measures.buckets import SECONDS, SIZES, Distribution
from workers.measures.slots import HISTORY_SECONDS, LATE_SECONDS, SLOT_SECONDS
from workers.stream import keys
from workers.stream.redis_client import shared_client
from workers.stream.scripts import source


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long something took: half of all at most `p50`, 99 of 100 at most `p99`, in seconds, estimated."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What happened in 5 s (SLOT_SECONDS). With `at_work_seconds` of 0 nobody measured."""

    begins_at: int
    """Seconds since 1970 by Redis's clock, a multiple of SLOT_SECONDS."""
    at_work_seconds: float
    """For how long a writer was at work; 0 when none was, or Redis has lost this."""
    starts: int
    """How many writers began their leadership."""
    batches: int
    writes: int
    """With any outcome: committed, rejected and failed together."""
    committed: int
    rejected: int
    failed: int
    transactions: int
    """Mostly one for each batch; more when a batch had to be applied write by write."""
    held_back: int
    """Attempts at batches that the store did not commit."""
    largest_batch: int | None
    """In writes; None without any."""
    waiting: int | None
    """Most writes that waited, looked at once a second; None when nobody looked."""
    oldest_seconds: float | None
    """Longest that the oldest waiting write had waited when it was looked at, 0 when none waited."""
    log_bytes: int | None
    """Largest write-ahead log; None when nobody looked, and on PostgreSQL."""
    redis_bytes: int | None
    """Most memory of Redis; None when nobody looked, or Redis hides it."""
    wait: Spread | None
    """From acceptance until the writer began to apply the batch, of each write; None without writes."""
    apply: Spread | None
    """The functions and receipts of a transaction; None without transactions."""
    commit: Spread | None
    """COMMIT of a transaction, with its fsync."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all writers have done, in figures that grow; they begin at 0 when Redis is emptied.

    After a fail-over of Redis they lack what the new master had not heard of.
    """

    since: float | None
    """When that was, in seconds since 1970; None before the first writer."""
    at_work_seconds: float
    starts: int
    batches: int
    writes: int
    committed: int
    rejected: int
    failed: int
    held_back: int
    wait: Distribution
    """In seconds, of each write."""
    apply: Distribution
    """In seconds, of each transaction."""
    commit: Distribution
    """In seconds, of each transaction."""
    batch_size: Distribution
    """In writes, of each batch."""


def history(*, since: int = 0, client: redis.Redis | None = None) -> list[Slot]:
    """Return the slots of the last 15 minutes (HISTORY_SECONDS) that are over, oldest first, none left out.

    With `since`, only those after the one that begins at that second: pass `begins_at` of the last one known.
    Where Redis's clock was set back since then, all of them: they begin before what is known.
    Raises QueueUnavailable.
    """
    count = HISTORY_SECONDS // SLOT_SECONDS
    arguments = (keys.measured_slot(""), SLOT_SECONDS, count, LATE_SECONDS, since - since % SLOT_SECONDS)
    try:
        script = source("history.lua", slots.ROOM)
        reply: Any = (client or shared_client()).eval(script, 0, *map(str, arguments))
    except redis.RedisError as exc:
        raise QueueUnavailable(f"Redis does not respond: {exc}") from exc
    first, *found = reply
    return [
        _slot(int(first) + place * SLOT_SECONDS, dict(zip(pairs[::2], pairs[1::2], strict=True)))
        for place, pairs in enumerate(found)
    ]


def totals(*, client: redis.Redis | None = None) -> Totals:
    """Return what all writers have done so far. Raises QueueUnavailable."""
    try:
        raw: Any = (client or shared_client()).hgetall(keys.measured_totals())
    except redis.RedisError as exc:
        raise QueueUnavailable(f"Redis does not respond: {exc}") from exc
    found = _figures(raw)
    return Totals(
        since=found.get("since"),
        at_work_seconds=found.get("at_work_us", 0) / 1e6,
        starts=found.get("starts", 0),
        batches=found.get("batches", 0),
        writes=found.get("size_sum", 0),
        committed=_committed(found),
        rejected=found.get("rejected", 0),
        failed=found.get("failed", 0),
        held_back=found.get("held_back", 0),
        wait=_times("wait", found),
        apply=_times("apply", found),
        commit=_times("commit", found),
        batch_size=Distribution(
            bounds=SIZES, counts=_counts("size", found, SIZES), sum=float(found.get("size_sum", 0))
        ),
    )


def _slot(begins_at: int, raw: Mapping[bytes, bytes]) -> Slot:
    found = _figures(raw)
    oldest = found.get("oldest_us")
    apply = _times("apply", found)
    return Slot(
        begins_at=begins_at,
        # What is told of the second before the slot is told of in it.
        at_work_seconds=min(found.get("at_work_us", 0) / 1e6, float(SLOT_SECONDS)),
        starts=found.get("starts", 0),
        batches=found.get("batches", 0),
        writes=found.get("size_sum", 0),
        committed=_committed(found),
        rejected=found.get("rejected", 0),
        failed=found.get("failed", 0),
        transactions=apply.count,
        held_back=found.get("held_back", 0),
        largest_batch=found.get("largest_batch"),
        waiting=found.get("waiting"),
        oldest_seconds=None if oldest is None else oldest / 1e6,
        log_bytes=found.get("log_bytes"),
        redis_bytes=found.get("redis_bytes"),
        wait=_spread(_times("wait", found)),
        apply=_spread(apply),
        commit=_spread(_times("commit", found)),
    )


def _figures(raw: Mapping[bytes, bytes]) -> dict[str, int]:
    # `stamp` is of the former version, whose writers may still be at work.
    return {name.decode(): int(value) for name, value in raw.items() if name != b"stamp"}


def _committed(found: Mapping[str, int]) -> int:
    # The writer counts what is rare.
    return found.get("size_sum", 0) - found.get("rejected", 0) - found.get("failed", 0)


def _times(what: str, found: Mapping[str, int]) -> Distribution:
    return Distribution(
        bounds=SECONDS, counts=_counts(what, found, SECONDS), sum=found.get(f"{what}_sum", 0) / 1e6
    )


def _counts(what: str, found: Mapping[str, int], bounds: Sequence[float]) -> list[int]:
    return [found.get(f"{what}:{place}", 0) for place in range(len(bounds) + 1)]


def _spread(times: Distribution) -> Spread | None:
    p50, p99 = times.quantile(0.5), times.quantile(0.99)
    return None if p50 is None or p99 is None else Spread(p50=p50, p99=p99)
