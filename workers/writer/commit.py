"""Apply a batch of writes in one transaction and record a receipt for each, in that same transaction.

What may happen to a write, and who undoes what:

- its function returns: committed with the batch;
- its function raises: only its own savepoint is undone; rejected or failed, with a receipt;
- the store fails (disk full, locked): the whole batch is undone and the error raised; nothing is lost,
  because the entries are still in the stream;
- COMMIT itself refuses (a deferred constraint): the batch is undone, each write gets its own transaction;
- its function ends the transaction for all: that write fails, its neighbours are applied again without it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from django.db import IntegrityError, transaction
from django.utils import timezone

from workers.store import errors, receipts
from workers.writer import hooks, verdicts
from workers.writer.apply import Settled as Settled
from workers.writer.apply import TransactionLost, apply
from workers.writes import Outcome, Write, WriteStatus, pristine

logger = logging.getLogger(__name__)

Verdict = Callable[[Write], Outcome | None]
"""What is known of a write before it is applied: an outcome that it must have, or None."""


def commit_batch(
    writes: Sequence[Write],
    *,
    set_aside: Callable[[Write], bool] = lambda write: False,
    on_progress: Callable[[], None] = lambda: None,
) -> list[Settled]:
    """Commit the writes in order, run what they put off, and return the outcome of each, durable.

    A write whose token has a receipt already takes no effect again: it gets the outcome of the first. One
    of which `set_aside` is true is failed without being applied. `on_progress` is called now and then.
    Raises django.db.DatabaseError when the store cannot commit; then no write took effect.
    """
    return _commit_batch(writes, lambda write: _set_aside(write) if set_aside(write) else None, on_progress)


def _commit_batch(
    writes: Sequence[Write], verdict: Verdict, on_progress: Callable[[], None], *, is_second: bool = False
) -> list[Settled]:
    try:
        settled, put_off = _commit(writes, verdict, on_progress)
    except TransactionLost as lost:
        if lost.write is None:
            return _one_by_one(writes, verdict, on_progress)
        if is_second:
            # There may be many: to apply all the others once more for each of them would take for ever.
            return _one_by_one(writes, _with(verdict, lost), on_progress)
        return _commit_batch(_again(writes), _with(verdict, lost), on_progress, is_second=True)
    except Exception as exc:
        errors.raise_if_transient(exc)
        if len(writes) > 1:
            return _one_by_one(writes, verdict, on_progress)
        return _settle_alone(writes[0], exc, verdict)
    if put_off:
        hooks.run(put_off, on_progress)
    return settled


def _with(verdict: Verdict, lost: TransactionLost) -> Verdict:
    """Return a verdict that also knows the write which ended the transaction: it is not tried again."""
    token = lost.write.token if lost.write else ""
    return lambda write: lost.outcome if write.token == token else verdict(write)


def _again(writes: Sequence[Write]) -> list[Write]:
    return [pristine(write) for write in writes]


def _one_by_one(writes: Sequence[Write], verdict: Verdict, on_progress: Callable[[], None]) -> list[Settled]:
    """Give each write a transaction of its own."""
    return [one for write in _again(writes) for one in _commit_batch([write], verdict, on_progress)]


def _commit(
    writes: Sequence[Write], verdict: Verdict, on_progress: Callable[[], None]
) -> tuple[list[Settled], list[hooks.Hooks]]:
    put_off: list[hooks.Hooks] = []
    with transaction.atomic(durable=True):
        known = receipts.find(write.token for write in writes)
        fresh: dict[object, Write] = {}
        for write in writes:
            if write.token not in known:
                fresh.setdefault(write.token, write)
        settled = list(_judge(fresh.values(), verdict, on_progress, put_off))
        if settled:
            receipts.insert(settled, committed_at=timezone.now())
    verdicts.tell(settled)
    for write, outcome in settled:
        known[write.token] = receipts.Known(fingerprint=write.fingerprint, outcome=outcome)
    return [(write, _replayed(write, known[write.token])) for write in writes], put_off


def _judge(
    writes: Iterable[Write],
    verdict: Verdict,
    on_progress: Callable[[], None],
    put_off: list[hooks.Hooks],
) -> Iterator[Settled]:
    """Yield the outcomes in order: the verdict on a write where there is one, else what becomes of it."""
    judged = ((write, verdict(write)) for write in writes)
    for outcome, run in groupby(judged, key=lambda one: one[1]):
        if outcome is None:
            yield from apply((write for write, _ in run), on_progress, put_off)
        else:
            yield from ((write, outcome) for write, _ in run)


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


def _settle_alone(write: Write, exc: Exception, verdict: Verdict) -> list[Settled]:
    """Give an outcome to a write that cannot be committed even by itself."""
    if isinstance(exc, IntegrityError) and receipts.is_taken(write.write_id):
        # Redis was emptied and its clock set back: ids are given a second time.
        renumbered = replace(write, write_id=receipts.last_write_id() + 1)
        logger.error("write=%s state=renumbered as=%s", write.write_id, renumbered.write_id)
        return _commit_batch([renumbered], verdict, lambda: None)
    return _record(write, verdicts.of_exception(write, exc))


def _set_aside(write: Write) -> Outcome:
    detail = "The writer died each time it tried to apply this write. It took no effect."
    return verdicts.error(write, WriteStatus.FAILED, 500, "write_killed_writer", detail)


def _record(write: Write, outcome: Outcome) -> list[Settled]:
    with transaction.atomic(durable=True):
        receipts.insert([(write, outcome)], committed_at=timezone.now())
    verdicts.tell([(write, outcome)])
    return [(write, outcome)]
