"""Moves the store to another database while the service accepts writes.

What waits in the stream is committed once, to the new store, because the stream changes its owner in one
step, after the copy is committed and before anybody else may write the old store.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import redis
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.moving import checking, copying
from workers.moving.errors import NotMoved
from workers.moving.tables import Step, Table, all_tables, count
from workers.operations import absence, pause
from workers.store import identity, lease, opening, receipts, store_file
from workers.stream import ownership, pauses, redis_stream
from workers.stream.ownership import Here

PURPOSE = "move_store"

PAUSE_SECONDS = 60.0
"""Renewed while it goes on; a move that is killed leaves a pause of this length at most."""

LEASE_SECONDS = 5.0
"""Longest wait for the lease once the writer has let go: a standby may look at it just then."""

Progress = Callable[[str, int, int], None]
"""Takes the step, how many rows are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A move that is done."""

    tables: int = 0
    rows: int = 0
    seconds: float = 0.0
    """For which nothing was committed."""
    waiting: int = 0
    """Accepted writes that wait for the new store."""
    not_copied: Sequence[str] = ()
    """Tables of no model."""
    was_done_before: bool = False


@dataclass(kw_only=True)
class Move:
    """One attempt to move the store to the database with this alias."""

    client: redis.Redis
    alias: str
    progress: Progress = lambda what, done, total: None
    _renewed: float = field(default_factory=time.monotonic)

    def run(self) -> Moved:
        """Move it. Raises NotMoved, StillWriting, StreamOfAnotherStore, StoreBusy, StoreNotReady,
        redis.RedisError and django.db.Error; the store stays in charge then.
        """
        source, target = connections[DEFAULT_DB_ALIAS], connections[self.alias]
        checking.refuse_source(source, target)
        tables = all_tables(source, target)
        if self._is_done(target):
            return Moved(was_done_before=True, waiting=redis_stream.length(self.client))
        ownership.refuse_another_stores(self.client)
        checking.make_tables(target, tables)
        self._refuse_filled(target, tables)
        # While the service goes on: what comes in meanwhile is checked as it is copied.
        checking.refuse_unfit(source, tables, self._steps("check", _rows(source, tables)))
        with self._alone(source), opening.kept(target):
            started = time.monotonic()
            self._refuse_filled(target, tables)
            rows = self._copy(source, target, tables)
            ownership.hand_over(self.client, _here(target))
            return Moved(
                tables=len(tables),
                rows=rows,
                seconds=time.monotonic() - started,
                waiting=redis_stream.length(self.client),
                not_copied=checking.others(source, tables),
            )

    def _is_done(self, target: BaseDatabaseWrapper) -> bool:
        """Return whether the stream is the target's already: a former attempt got through."""
        owner = ownership.owner(self.client)
        if owner is None or identity.TABLE not in target.introspection.table_names():
            return False
        return owner.store == str(identity.read(target.alias))

    def _refuse_filled(self, target: BaseDatabaseWrapper, tables: Sequence[Table]) -> None:
        if not checking.is_earlier_copy(identity.current(), target, receipts.last_write_id()):
            checking.refuse_filled(target, tables)

    @contextmanager
    def _alone(self, source: BaseDatabaseWrapper) -> Iterator[None]:
        """Be the only one who could write the store, with the stream in hand, until the block ends."""
        pause.pause(self.client, seconds=PAUSE_SECONDS, by=PURPOSE)
        own = lease.of_store()
        try:
            deadline = time.monotonic() + LEASE_SECONDS
            while not own.try_acquire(purpose=PURPOSE, after=ownership.last_epoch(self.client)):
                if time.monotonic() > deadline:
                    raise NotMoved(f"{absence.holder() or 'Another process'} holds the lease. Stop it first.")
                time.sleep(pause.POLL_SECONDS)
            redis_stream.begin_epoch(own.epoch)
            ownership.claim(self.client)
            with opening.kept(source):
                yield
        finally:
            redis_stream.begin_epoch(0)
            own.release()
            with suppress(redis.RedisError):  # it ends by itself
                pauses.withdraw(self.client)

    def _copy(self, source: BaseDatabaseWrapper, target: BaseDatabaseWrapper, tables: Sequence[Table]) -> int:
        """Copy all tables and read them back; return the rows. All of it is undone when anything fails."""
        with transaction.atomic(using=source.alias), transaction.atomic(using=target.alias, durable=True):
            if source.vendor == "postgresql":
                with source.cursor() as cursor:
                    # One snapshot for all tables, whoever else writes.
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            copying.empty(target, tables)
            step = self._steps("copy", _rows(source, tables))
            sums = [copying.copy(source, target, table, step) for table in tables]
            copying.set_counters(source, target, tables)
            target.check_constraints()
            rows = sum(one.rows for one in sums)
            step = self._steps("verify", rows)
            for table, read in zip(tables, sums, strict=True):
                found = copying.read_back(target, table, step)
                if found != read:
                    raise NotMoved(
                        f"{table.name} differs after the copy: {read.rows:,} rows were read, {found.rows:,} "
                        "are there, or their values differ. Nothing was kept."
                    )
        return rows

    def _steps(self, what: str, total: int) -> Step:
        done = 0

        def step(rows: int) -> None:
            nonlocal done
            done += rows
            self.progress(what, done, total)
            if what != "check":
                self._renew_pause()

        return step

    def _renew_pause(self) -> None:
        """Say that it goes on to whoever asks why nothing is committed. The lease keeps writers away."""
        if time.monotonic() - self._renewed < PAUSE_SECONDS / 3:
            return
        self._renewed = time.monotonic()
        with suppress(redis.RedisError):
            pause.ask(self.client, seconds=PAUSE_SECONDS, by=PURPOSE)


def _rows(source: BaseDatabaseWrapper, tables: Sequence[Table]) -> int:
    return sum(count(source, table) for table in tables)


def _here(target: BaseDatabaseWrapper) -> Here:
    path, host = store_file.place_of(target)
    return Here(store=identity.read(target.alias), path=path, host=host)
