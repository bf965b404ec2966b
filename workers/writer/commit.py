"""Apply a batch of writes in one transaction and record a receipt for each, in that same transaction.

What may happen to a write, and who undoes what:

- its function returns: committed with the batch;
- its function raises: only its own savepoint is undone; rejected or failed, with a receipt;
- the store fails (disk full, locked): the whole batch is undone and the error raised; nothing is lost,
  because the entries are still in the stream;
- COMMIT itself refuses (a deferred constraint): the batch is undone, each write gets its own transaction;
- its function ends the transaction for all: that write fails, its neighbours are applied again without it;
- somebody cancelled it while it waited: rejected without being applied, with a receipt.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from workers import principals
from workers.measures import Times
from workers.store import errors, opening, receipts
from workers.writer import hooks, verdicts
from workers.writer.apply import Settled as Settled
from workers.writer.apply import TransactionLost, apply
from workers.writes import Outcome, Write, WriteStatus, pristine

logger = logging.getLogger(__name__)

Judged = Mapping[str, Outcome]
"""The outcomes of writes that are not to be applied, by token: a write that is given another id keeps it."""


def commit_batch(
    writes: Sequence[Write],
    *,
    set_aside: Callable[[Write], bool] = lambda write: False,
    is_cancelled: Callable[[Write], bool] = lambda write: False,
    on_progress: Callable[[], None] = lambda: None,
    times: Times | None = None,
) -> list[Settled]:
    """Commit the writes in order, run what they put off, and return the outcome of each, durable.

    A write whose token has a receipt already takes no effect again: it gets the outcome of the first.
    Without being applied, one of which `set_aside` is true is failed, and one of which `is_cancelled` is true
    rejected. `on_progress` is called now and then; `times` gets when what was applied and committed.
    Raises django.db.DatabaseError when the store cannot commit; then no write took effect.
    """
    judged: dict[str, Outcome] = {}
    for write in writes:
        if is_cancelled(write):
            judged.setdefault(write.token, verdicts.cancelled(_first_of_token(writes, write)))
        elif set_aside(write):
            judged.setdefault(write.token, verdicts.set_aside(_first_of_token(writes, write)))
    return _commit_batch(writes, judged, on_progress, times or Times())


def _commit_batch(
    writes: Sequence[Write],
    judged: Judged,
    on_progress: Callable[[], None],
    times: Times,
    *,
    is_second: bool = False,
) -> list[Settled]:
    try:
        settled, put_off = _commit(writes, judged, on_progress, times)
    except TransactionLost as lost:
        if lost.write is None or lost.outcome is None:
            return _one_by_one(writes, judged, on_progress, times)
        judged = {**judged, lost.write.token: lost.outcome}  # it is not tried again
        if is_second:
            # There may be many: to apply all the others once more for each of them would take for ever.
            return _one_by_one(writes, judged, on_progress, times)
        return _commit_batch(_again(writes), judged, on_progress, times, is_second=True)
    except Exception as exc:
        errors.raise_if_transient(exc)
        if len(writes) > 1:
            return _one_by_one(writes, judged, on_progress, times)
        return _settle_alone(writes[0], exc, judged, times)
    if put_off:
        hooks.run(put_off, on_progress)
    return settled


def _first_of_token(writes: Iterable[Write], write: Write) -> Write:
    """Return the write that this one may have been sent again for: both have its outcome, and its id."""
    return next(one for one in writes if one.token == write.token)


def _again(writes: Sequence[Write]) -> list[Write]:
    return [pristine(write) for write in writes]


def _one_by_one(
    writes: Sequence[Write], judged: Judged, on_progress: Callable[[], None], times: Times
) -> list[Settled]:
    """Give each write a transaction of its own."""
    return [one for write in _again(writes) for one in _commit_batch([write], judged, on_progress, times)]


@contextmanager
def _transaction(times: Times) -> Iterator[None]:
    """Commit what the block writes, or undo all of it; note how long that took."""
    with transaction.atomic(durable=True):
        opening.prepare_to_apply(connection)
        times.begin()
        yield
        applied = time.perf_counter()
    times.committed(applied)


def _commit(
    writes: Sequence[Write], judged: Judged, on_progress: Callable[[], None], times: Times
) -> tuple[list[Settled], list[hooks.Hooks]]:
    put_off: list[hooks.Hooks] = []
    # That of a Django TestCase: durable=True refuses any other.
    is_in_transaction = connection.in_atomic_block
    with _transaction(times):
        known = receipts.find(write.token for write in writes)
        fresh: dict[object, Write] = {}
        for write in writes:
            if write.token not in known:
                fresh.setdefault(write.token, write)
        with principals.judged_once(write.principal for write in fresh.values()):
            settled = list(_judge(fresh.values(), judged, on_progress, put_off))
        if settled:
            receipts.insert(settled, committed_at=timezone.now())
        if is_in_transaction:
            _check_constraints()
    verdicts.tell(settled)
    if len(settled) == len(writes):
        return settled, put_off  # none was sent again, and they are in order
    for write, outcome in settled:
        known[write.token] = receipts.Known(fingerprint=write.fingerprint, outcome=outcome)
    return [(write, _replayed(write, known[write.token])) for write in writes], put_off


def _check_constraints() -> None:
    """Refuse what COMMIT would refuse, where there is none. Raises IntegrityError."""
    try:
        connection.check_constraints()
    except IntegrityError as exc:
        raise IntegrityError("FOREIGN KEY constraint failed") from exc  # SQLite's own words at COMMIT


def _judge(
    writes: Iterable[Write],
    judged: Judged,
    on_progress: Callable[[], None],
    put_off: list[hooks.Hooks],
) -> Iterator[Settled]:
    """Yield the outcomes in order: that of a write which has one already, else what becomes of it."""
    if not judged:
        yield from apply(writes, on_progress, put_off)
        return
    for is_judged, run in groupby(writes, key=lambda write: write.token in judged):
        if is_judged:
            yield from ((write, judged[write.token]) for write in run)
        else:
            yield from apply(run, on_progress, put_off)


def _replayed(write: Write, first: receipts.Known) -> Outcome:
    """Return the first one's outcome, unless the token was reused for a different request."""
    if write.fingerprint == first.fingerprint:
        return first.outcome
    return verdicts.error(
        write,
        WriteStatus.REJECTED,
        422,
        "idempotency_key_reused",
        "This Idempotency-Key belongs to another request.",
    )


def _settle_alone(write: Write, exc: Exception, judged: Judged, times: Times) -> list[Settled]:
    """Give an outcome to a write that cannot be committed even by itself."""
    if isinstance(exc, IntegrityError) and receipts.is_taken(write.write_id):
        # Redis was emptied and its clock set back: ids are given a second time.
        renumbered = replace(write, write_id=receipts.last_write_id() + 1)
        logger.error("write=%s state=renumbered as=%s", write.write_id, renumbered.write_id)
        if write.token in judged:  # its receipt takes the id from the outcome
            judged = {write.token: replace(judged[write.token], write_id=renumbered.write_id)}
        return _commit_batch([renumbered], judged, lambda: None, times)
    return _record(write, verdicts.of_exception(write, exc), times)


def _record(write: Write, outcome: Outcome, times: Times) -> list[Settled]:
    with _transaction(times):
        receipts.insert([(write, outcome)], committed_at=timezone.now())
    verdicts.tell([(write, outcome)])
    return [(write, outcome)]
