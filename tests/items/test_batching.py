"""However writes are cut into batches, and whichever fast path they take: rows, receipts, answers are equal.

The measure is each write committed by itself, in order, items inserted by the ORM.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given

from items import write_functions
from items.models import Item
from tests.items.mixes import NOBODY, ROOT, Mix, mixes
from workers import registry
from workers.store import receipts
from workers.writer import commit
from workers.writes import Outcome, Write

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),  # a mix that fails takes minutes to be made small
]

TABLES = (Item._meta.db_table, "jottings_jotting", "jottings_topic", receipts.TABLE)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

Answer = tuple[Any, Outcome]
"""A write's token and `reply_to`, and what it is answered."""
Batches = Sequence[Sequence[Write]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that a way of committing leaves behind."""

    answers: list[Answer]
    rows: Mapping[str, list[tuple[Any, ...]]]
    """The rows of each table; of receipts without the traceback, which tells the way that was taken."""
    receipts_in_order: list[int]
    """Their ids as they were inserted."""


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop the clock, so that not even moments may differ; write no logs, of which there would be many."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def insert_by_orm(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Do what `BulkInsert` does, plainly."""
    names = [item["name"] for item in data]  # before any insert: of several errors the same one is met first
    return [Item.objects.create(name=name, created_at=NOW, updated_at=NOW).representation() for name in names]


@pytest.fixture(autouse=True)
def _users() -> None:
    User.objects.create(pk=ROOT, username="root", is_superuser=True)
    User.objects.create(pk=NOBODY, username="nobody")


@contextmanager
def without_fast_paths() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_functions, "_insert", insert_by_orm)
        for function in registry._functions.values():
            patch.setattr(function, "apply_many", None)
        yield


def set_the_scene(mix: Mix) -> None:
    """Give the store the items of the mix, and nothing else."""
    moment = connection.ops.adapt_datetimefield_value(NOW)
    items = [(number, f"item {number}", version) for number, version in enumerate(mix.versions, 1)]
    with transaction.atomic(), connection.cursor() as cursor:
        for table in (*TABLES, "sqlite_sequence"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.executemany(
            f"INSERT INTO {Item._meta.db_table} (id, name, version, created_at, updated_at) "
            f"VALUES (%s, %s, %s, '{moment}', '{moment}')",
            items,
        )
        cursor.execute(f"DELETE FROM {Item._meta.db_table} WHERE id > %s", [len(items) - mix.gone])


def inserted_receipts() -> list[int]:
    with connection.cursor() as cursor:
        found = cursor.execute(f"SELECT write_id FROM {receipts.TABLE} ORDER BY rowid").fetchall()
    return [write_id for (write_id,) in found]


def stored() -> dict[str, list[tuple[Any, ...]]]:
    columns = {receipts.TABLE: ", ".join(name for name in receipts.COLUMNS if name != "traceback")}
    with connection.cursor() as cursor:
        return {
            table: cursor.execute(f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY 1").fetchall()
            for table in (*TABLES, "sqlite_sequence")
        }


def committed(mix: Mix, batches: Batches) -> Result:
    """Commit the batches on the scene of the mix."""
    set_the_scene(mix)
    answers = [
        ((write.token, write.reply_to), outcome)
        for batch in batches
        for write, outcome in commit.commit_batch(batch, set_aside=lambda write: write.token in mix.deadly)
    ]
    return Result(answers=answers, rows=stored(), receipts_in_order=inserted_receipts())


def one_by_one(mix: Mix) -> Batches:
    return [[write] for write in mix.writes]


def cut(mix: Mix) -> Batches:
    edges = [0, *mix.cuts, len(mix.writes)]
    return [mix.writes[start:end] for start, end in pairwise(edges) if start < end]


def read_again(mix: Mix) -> Batches:
    """Return the batches of a writer that dies after a commit: what it committed comes again, with more."""
    start = mix.cuts[0] if mix.cuts else 0
    return [batch for batch in (mix.writes[:start], mix.writes) if batch]


@pytest.mark.sqlite  # a sequence of PostgreSQL takes no id back
@given(mixes())
def test_a_batch_has_the_effects_of_its_writes_one_by_one(mix: Mix) -> None:
    with without_fast_paths():
        plain = committed(mix, one_by_one(mix))
        plain_batch = committed(mix, [mix.writes])
    assert_tokens_are_kept(mix, plain)

    assert plain_batch == plain
    assert committed(mix, one_by_one(mix)) == plain
    assert committed(mix, [mix.writes]) == plain
    assert committed(mix, cut(mix)) == plain
    repeated = committed(mix, read_again(mix))
    assert (repeated.rows, repeated.answers[-len(mix.writes) :]) == (plain.rows, plain.answers)


def assert_tokens_are_kept(mix: Mix, result: Result) -> None:
    """One outcome per token, recorded in order: a repeat gets the first one's, another request is refused."""
    first: dict[Any, tuple[str | None, Outcome]] = {}
    for write, (_, outcome) in zip(mix.writes, result.answers, strict=True):
        fingerprint, known = first.setdefault(write.token, (write.fingerprint, outcome))
        if write.fingerprint == fingerprint:
            assert outcome == known
        else:
            told = (outcome.write_id, outcome.http_status, outcome.json()["code"])
            assert told == (write.write_id, 422, "idempotency_key_reused")
    assert [outcome.write_id for _, outcome in first.values()] == result.receipts_in_order
