"""Apply writes inside the transaction of their batch: each in a savepoint, within its time, fenced in."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from django.db import transaction

from workers import registry
from workers.conf import settings
from workers.exceptions import UnknownWriteFunction
from workers.in_hand import in_hand
from workers.store import errors, time_limit
from workers.store.fence import Fenced
from workers.stream import conditions
from workers.writer import hooks, verdicts
from workers.writes import Outcome, Write, pristine

logger = logging.getLogger(__name__)

Settled = tuple[Write, Outcome]


class TransactionLost(Exception):
    """The batch's transaction is over before its COMMIT, and nothing of it is left."""

    def __init__(self, write: Write | None = None, outcome: Outcome | None = None) -> None:
        super().__init__()
        self.write = write
        """The write that ended it; None when a run was applied together."""
        self.outcome = outcome


def apply(
    writes: Iterable[Write], on_progress: Callable[[], None], put_off: list[hooks.Hooks]
) -> Iterator[Settled]:
    """Apply writes in order, runs of one kind together where their function can; what they put off is added.

    Raises TransactionLost, and django.db.DatabaseError when the store caused it.
    """
    # A write with a condition is applied by itself: what is before it may change what the condition is about.
    for (name, is_conditional), run in groupby(
        writes, key=lambda write: (write.function, conditions.CONDITION in write.arguments)
    ):
        yield from _apply_run(name, list(run), on_progress, put_off, together=not is_conditional)


def _apply_run(
    name: str,
    run: list[Write],
    on_progress: Callable[[], None],
    put_off: list[hooks.Hooks],
    *,
    together: bool,
) -> Iterable[Settled]:
    try:
        function = registry.find(name)
    except UnknownWriteFunction as exc:
        return [(write, verdicts.unknown_function(write, exc)) for write in run]
    if together and len(run) > 1 and function.apply_many is not None:
        settled = _apply_together(function, function.apply_many, run, put_off)
        on_progress()
        if settled is not None:
            return settled
        run = [pristine(write) for write in run]
    return _apply_each(function, run, on_progress, put_off)


def _apply_each(
    function: registry.WriteFunction,
    run: Sequence[Write],
    on_progress: Callable[[], None],
    put_off: list[hooks.Hooks],
) -> Iterator[Settled]:
    for write in run:
        fenced = Fenced()
        outcome = _apply_one(function, write, fenced)
        if fenced.is_spoilt():
            raise TransactionLost(write, outcome)
        if fenced.connection.run_on_commit:
            put_off += hooks.collect(fenced.connection, [write])
        on_progress()
        yield write, outcome


def _checked(write: Write) -> Write:
    """Return the write as its function knows it. Raises what rejects it when its condition does not hold."""
    return conditions.checked(write) if conditions.CONDITION in write.arguments else write


def _apply_one(function: registry.WriteFunction, write: Write, fenced: Fenced) -> Outcome:
    token = in_hand.set(write)
    try:
        with transaction.atomic(), fenced, time_limit.limited(settings.WRITE_TIME_LIMIT_SECONDS):
            function.refuse_unpermitted(write)
            return verdicts.committed(write, function(_checked(write)))
    except KeyboardInterrupt:
        raise
    except time_limit.WriteTimedOut as exc:
        return verdicts.timed_out(write, exc)
    except BaseException as exc:
        # SystemExit too: what a function raises is its outcome, not the writer's end.
        if not fenced.was_closed():
            errors.raise_if_transient(exc)
        if errors.is_interrupted(exc):
            return verdicts.timed_out(write, exc)
        return verdicts.of_exception(write, exc)
    finally:
        in_hand.reset(token)


def _apply_together(
    function: registry.WriteFunction,
    apply_many: registry.ApplyMany,
    run: list[Write],
    put_off: list[hooks.Hooks],
) -> list[Settled] | None:
    """Return the outcomes, or None when the bulk form failed and left no effect."""
    fenced = Fenced()
    try:
        with transaction.atomic(), fenced, time_limit.limited(settings.WRITE_TIME_LIMIT_SECONDS):
            for write in run:
                function.refuse_unpermitted(write)
            results = apply_many(run)
            settled = [
                (write, verdicts.committed(write, one)) for write, one in zip(run, results, strict=True)
            ]
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        if not fenced.was_closed():
            errors.raise_if_transient(exc)
        if fenced.is_spoilt():
            raise TransactionLost from exc
        # Expected when one write of the run is bad: each then gets its own verdict.
        logger.info("batch state=one-by-one function=%s writes=%s error=%r", run[0].function, len(run), exc)
        return None
    if fenced.connection.run_on_commit:
        put_off += hooks.collect(fenced.connection, run)
    return settled
