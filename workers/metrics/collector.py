"""All figures are read where they are kept when Prometheus asks: in Redis, in the store, on the disk.

So each web process says the same, however many there are, and a restart of one changes nothing. See
https://prometheus.io/docs/practices/naming/ for the names.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from workers.exceptions import QueueUnavailable
from workers.measures import Distribution, Totals, totals
from workers.operations.sizes import Sizes, sizes
from workers.operations.status import QueueStatus, queue_status
from workers.stream import pauses
from workers.stream.redis_client import shared_client

PREFIX = "one_writer"

VERSIONS = {"0.0.1", "0.0.4", "1.0.0"}
"""Of Prometheus' formats, that are made here."""

_VERSION = re.compile(r";\s*version=([^;]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """What Prometheus gets."""

    content_type: str
    body: bytes


def exposition(accept: str = "") -> Exposition:
    """Return all metrics in the format that an Accept header asks for. What does not respond is left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WritePath())
    encode, content_type = choose_encoder(_with_known_versions(accept))
    return Exposition(content_type=content_type, body=encode(registry))


def _with_known_versions(accept: str) -> str:
    """Return it without what names another version: the library would raise, or call its own by that name."""
    return ",".join(
        one for one in accept.split(",") if VERSIONS.issuperset(map(str.strip, _VERSION.findall(one)))
    )


class WritePath(Collector):
    """Asks at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Yield what can be told now; `one_writer_redis_up` says whether what Redis keeps is among it."""
        try:
            status, counted = queue_status(), totals()
        except QueueUnavailable:
            yield _gauge("redis_up", "Whether Redis responds.", 0)
        else:
            yield _gauge("redis_up", "Whether Redis responds.", 1)
            yield from _of_status(status)
            yield from _of_totals(counted)
            yield from _of_redis(shared_client())
        yield from _of_sizes(sizes())


def _of_status(status: QueueStatus) -> Iterator[Metric]:
    writer = status.writer
    can_commit = writer is not None and writer.error is None
    yield _gauge("waiting_writes", "Accepted writes that wait to be committed.", status.length)
    yield _gauge(
        "oldest_wait_seconds",
        "For how long the oldest waiting write has waited; 0 when none waits.",
        status.oldest_age_seconds or 0,
    )
    yield _gauge("writer_up", "Whether a writer is at work and makes progress.", writer is not None)
    yield _gauge("writer_can_commit", "Whether a writer is at work and can commit.", can_commit)
    if writer is not None and writer.committed_at is not None:
        yield _gauge("last_commit_timestamp_seconds", "When the writer committed last.", writer.committed_at)


def _of_totals(counted: Totals) -> Iterator[Metric]:
    writes = _counter("writes", "Writes that got their outcome, by status.", labels=["status"])
    for status in ("committed", "rejected", "failed"):
        writes.add_metric([status], getattr(counted, status))
    yield writes
    yield _counter("batches", "Batches of writes that were committed.", counted.batches)
    yield _counter(
        "held_back_batches", "Attempts at batches that the store did not commit.", counted.held_back
    )
    yield _counter("writer_starts", "Writers that began to work: starts and take-overs.", counted.starts)
    yield _counter("writer_at_work_seconds", "For how long a writer was at work.", counted.at_work_seconds)
    for name, about, found in (
        ("queue_wait_seconds", "From a write's acceptance until its batch is applied.", counted.wait),
        ("apply_seconds", "How long the writes of a transaction are applied.", counted.apply),
        ("commit_seconds", "How long COMMIT of a transaction takes.", counted.commit),
        ("batch_writes", "Writes of a batch.", counted.batch_size),
    ):
        yield HistogramMetricFamily(
            f"{PREFIX}_{name}", about, buckets=list(_buckets(found)), sum_value=found.sum
        )


def _buckets(found: Distribution) -> Iterator[tuple[str, int]]:
    """Yield upper bounds and how many values are not above them, as Prometheus counts."""
    count = 0
    for bound, more in zip((*found.bounds, float("inf")), found.counts, strict=True):
        count += more
        yield floatToGoString(bound), count  # type: ignore[no-untyped-call]  # untyped in the library


def _of_redis(client: redis.Redis) -> Iterator[Metric]:
    with suppress(redis.RedisError):
        paused = pauses.requested(client) is not None
        yield _gauge("paused", "Whether somebody asked for a pause.", paused)
    with suppress(redis.RedisError):  # which may be hidden from its clients
        memory: Any = client.info("memory")
        yield _gauge("redis_memory_bytes", "Memory that Redis uses.", memory["used_memory"])
        if memory.get("maxmemory"):
            yield _gauge("redis_memory_limit_bytes", "Past it Redis accepts nothing.", memory["maxmemory"])


def _of_sizes(found: Sizes) -> Iterator[Metric]:
    for name, about, value in (
        ("waiting_bytes", "Bytes of the writes that wait.", found.stream_bytes),
        ("waiting_writes_limit", "Past it writes get 503.", found.stream_limit),
        ("waiting_limit_bytes", "Past it writes get 503.", found.stream_limit_bytes),
        ("redis_log_bytes", "Redis's append-only file.", found.redis_log_bytes),
        ("store_bytes", "The store's file.", found.store_bytes),
        ("store_free_bytes", "Of it, what deleted rows have left.", found.store_free_bytes),
        ("wal_bytes", "The store's write-ahead log.", found.log_bytes),
        ("wal_limit_bytes", "From this size on the writer empties it.", found.log_limit_bytes),
        ("disk_free_bytes", "What is free on the store's disk.", found.disk_free_bytes),
        ("disk_bytes", "The store's disk.", found.disk_bytes),
        ("receipts", "Receipts in the store, about.", found.receipts),
        ("receipts_bytes", "What they take of the store, about.", found.receipts_bytes),
        ("backups", "Backups that are kept.", found.backups),
        ("backups_bytes", "What they take.", found.backups_bytes),
        ("last_backup_timestamp_seconds", "The moment that the newest backup holds.", found.newest_backup_at),
    ):
        if value is not None:
            yield _gauge(name, about, value)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", about, value=float(value))


def _counter(
    name: str, about: str, value: float | None = None, labels: list[str] | None = None
) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", about, value=value, labels=labels)
