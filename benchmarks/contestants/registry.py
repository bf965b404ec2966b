"""The contestants, and what a success of each promises."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contestants.celery_servers import CeleryServer
from benchmarks.contestants.django_servers import BoltServer, DjangoServer, GranianServer, NoopServer
from benchmarks.contestants.one_writer import OneWriterServer
from benchmarks.contestants.other_servers import DatasetteServer, FastApiServer
from benchmarks.contestants.postgres import OneWriterOnPostgres, PostgresServer
from benchmarks.contestants.server import Contestant

DURABLE = "durable: committed and fsynced before the answer"
NOT_DURABLE = "not durable: commits of the last moments can be lost on power loss"

DAY = "2026-01-01 00:00:00"
"""Datasette fills in nothing itself: its clients send all of a row."""


def contestants(bench: Bench, preload: Path | None = None) -> Iterator[Contestant]:
    """Yield every contestant. With `preload`, all their processes run with that library."""
    yield from django_contestants(bench, preload)
    yield from postgres_contestants(bench, preload)
    yield from celery_contestants(bench, preload)
    yield from other_contestants(bench, preload)
    yield from one_writer_contestants(bench, preload)


def django_contestants(bench: Bench, preload: Path | None) -> Iterator[Contestant]:
    """Yield the ceiling, and Django that writes for itself."""
    yield Contestant(
        name="noop",
        label="No-op view, writes nothing",
        server=NoopServer(bench=bench, name="noop", preload=preload),
        durability="nothing is written",
        is_durable=False,
    )
    ways = [
        ("direct-default", "Django, default settings", "default", "gthread", DURABLE),
        ("direct-full", "Django, WAL + IMMEDIATE + FULL", "full", "gthread", DURABLE),
        ("direct-full-gevent", "Django, WAL + IMMEDIATE + FULL, gevent", "full", "gevent", DURABLE),
        ("direct-full-sync", "Django, WAL + IMMEDIATE + FULL, sync", "full", "sync", DURABLE),
        ("direct-normal", "Django, WAL + IMMEDIATE + NORMAL", "normal", "gthread", NOT_DURABLE),
    ]
    for name, label, database, worker_class, durability in ways:
        server = DjangoServer(
            bench=bench, name=name, preload=preload, database=database, worker_class=worker_class
        )
        yield Contestant(
            name=name,
            label=label,
            server=server,
            durability=durability,
            is_durable=durability == DURABLE,
        )
    others: list[tuple[str, str, type[DjangoServer]]] = [
        ("direct-full-granian", "Django, WAL + IMMEDIATE + FULL, Granian", GranianServer),
        ("django-bolt", "django-bolt, WAL + IMMEDIATE + FULL", BoltServer),
    ]
    for name, label, kind in others:
        server = kind(bench=bench, name=name, preload=preload)
        yield Contestant(name=name, label=label, server=server, durability=DURABLE, is_durable=True)


def postgres_contestants(bench: Bench, preload: Path | None) -> Iterator[Contestant]:
    """Yield Django on PostgreSQL, with threads and with greenlets, and this service on one."""
    for name, label, worker_class in (
        ("postgres", "Django + PostgreSQL", "gthread"),
        ("postgres-gevent", "Django + PostgreSQL, gevent", "gevent"),
    ):
        server = PostgresServer(bench=bench, name=name, preload=preload, worker_class=worker_class)
        yield Contestant(name=name, label=label, server=server, durability=DURABLE, is_durable=True)

    yield Contestant(
        name="one-writer-postgres",
        label="One Writer on PostgreSQL, 201 after the commit",
        server=OneWriterOnPostgres(bench=bench, name="one-writer-postgres", preload=preload),
        durability=DURABLE,
        is_durable=True,
    )


def celery_contestants(bench: Bench, preload: Path | None) -> Iterator[Contestant]:
    """Yield Django that waits for Celery tasks."""
    for name, label, view in (
        ("celery-task", "one Celery task and one commit per write", "celery-task"),
        ("celery-batches", "celery-batches, one message per write", "celery-batches"),
    ):
        server = CeleryServer(bench=bench, name=name, preload=preload, view=view)
        yield Contestant(
            name=name,
            label=label,
            server=server,
            durability=f"{DURABLE}; a message under way is lost when the worker is killed",
            is_durable=True,
        )


def other_contestants(bench: Bench, preload: Path | None) -> Iterator[Contestant]:
    """Yield other frameworks."""
    for name, label in (
        ("fastapi-sync", "FastAPI + SQLAlchemy, threads"),
        ("fastapi-aiosqlite", "FastAPI + SQLAlchemy, aiosqlite"),
    ):
        server = FastApiServer(bench=bench, name=name, preload=preload)
        yield Contestant(name=name, label=label, server=server, durability=DURABLE, is_durable=True)
    yield Contestant(
        name="datasette",
        label="Datasette's insert API",
        server=DatasetteServer(bench=bench, name="datasette", preload=preload),
        path="/store/items_item/-/insert",
        before='{"row": ',
        item_back=f'", "created_at": "{DAY}", "updated_at": "{DAY}", "version": 1}}',
        after="}",
        durability=DURABLE,
        is_durable=True,
    )


def one_writer_contestants(bench: Bench, preload: Path | None) -> Iterator[Contestant]:
    """Yield this service, asked in three ways. The three share its processes."""
    server = OneWriterServer(bench=bench, name="one-writer", preload=preload)
    yield Contestant(
        name="one-writer",
        label="One Writer, 201 after the commit",
        server=server,
        durability=DURABLE,
        is_durable=True,
    )
    yield Contestant(
        name="one-writer-async",
        label="One Writer, respond-async",
        server=server,
        headers={"Prefer": "respond-async"},
        expected_status=202,
        durability="accepted: in Redis's AOF, fsynced before the answer; committed soon after",
        is_durable=True,
    )
    yield Contestant(
        name="one-writer-bulk",
        label="One Writer, 1,000 items per request",
        server=server,
        path="/api/items/bulk/",
        items=1_000,
        before='{"atomic": true, "items": [',
        after="]}",
        durability=DURABLE,
        is_durable=True,
        in_main_table=False,
    )
