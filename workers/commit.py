"""Apply a batch of writes in one transaction and record a receipt for each, in that same transaction.

What may happen to a write, and who undoes what:

- its function returns: committed with the batch;
- its function raises: only its own savepoint is undone; rejected or failed, with a receipt;
- the store fails (disk full, locked): the whole batch is undone and the error raised; nothing is lost,
  because the entries are still in the stream;
- COMMIT itself refuses (a deferred constraint): the batch is undone and each write gets its own transaction.
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.utils import timezone

from workers import faults, receipts, registry, time_limit
from workers.conf import settings
from workers.exceptions import UnknownWriteFunction, WriteRejected
from workers.writes import Kind, Outcome, Result, Write, encode_result

logger = logging.getLogger(__name__)

Answer = tuple[Write, Outcome]


def commit_batch(
    writes: Sequence[Write],
    *,
    set_aside: Callable[[Write], bool] = lambda write: False,
    on_progress: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Commit the writes in order and return the outcome of each, durable.

    A write whose token has a receipt already takes no effect again: it gets the outcome of the first. One
    of which `set_aside` is true is failed without being applied. `on_progress` is called now and then.
    Raises django.db.DatabaseError when the store cannot commit; then no write took effect.
    """
    try:
        return _commit(writes, set_aside, on_progress)
    except Exception as exc:
        faults.raise_if_transient(exc)
        if len(writes) > 1:
            return [
                answer
                for write in writes
                for answer in commit_batch([write], set_aside=set_aside, on_progress=on_progress)
            ]
        return _settle_alone(writes[0], exc, set_aside)


def _commit(
    writes: Sequence[Write], set_aside: Callable[[Write], bool], on_progress: Callable[[], None]
) -> list[Answer]:
    with transaction.atomic(durable=True):
        known = receipts.find(write.token for write in writes)
        fresh: dict[object, Write] = {}
        for write in writes:
            if write.token not in known:
                fresh.setdefault(write.token, write)
        answers = [
            answer
            for is_deadly, run in groupby(fresh.values(), key=set_aside)
            for answer in (map(_set_aside, run) if is_deadly else _apply(run, on_progress))
        ]
        if answers:
            receipts.insert(answers, committed_at=timezone.now())
    for write, outcome in answers:
        known[write.token] = receipts.Known(fingerprint=write.fingerprint, outcome=outcome)
    return [(write, _replayed(write, known[write.token])) for write in writes]


def _replayed(write: Write, first: receipts.Known) -> Outcome:
    """Return the first one's outcome, unless the token was reused for a different request."""
    if write.fingerprint == first.fingerprint:
        return first.outcome
    return _error(
        write,
        Kind.REJECTED,
        422,
        "idempotency_key_reused",
        "This Idempotency-Key belongs to another request.",
    )


def _settle_alone(write: Write, exc: Exception, set_aside: Callable[[Write], bool]) -> list[Answer]:
    """Give an outcome to a write that cannot be committed even by itself."""
    if isinstance(exc, IntegrityError) and receipts.is_taken(write.write_id):
        # Redis was emptied and its clock set back: ids are given a second time.
        renumbered = replace(write, write_id=receipts.last_write_id() + 1)
        logger.error("write=%s state=renumbered as=%s", write.write_id, renumbered.write_id)
        return commit_batch([renumbered], set_aside=set_aside)
    return _record(write, _outcome_of(write, exc))


def _set_aside(write: Write) -> Answer:
    logger.error("write=%s state=set-aside function=%s", write.write_id, write.function)
    detail = "The writer died each time it tried to apply this write. It took no effect."
    return write, _error(write, Kind.FAILED, 500, "write_killed_writer", detail)


def _record(write: Write, outcome: Outcome) -> list[Answer]:
    with transaction.atomic(durable=True):
        receipts.insert([(write, outcome)], committed_at=timezone.now())
    return [(write, outcome)]


def _apply(writes: Iterable[Write], on_progress: Callable[[], None]) -> Iterator[Answer]:
    """Apply writes in order, runs of one kind together where their function can."""
    for name, run in groupby(writes, key=lambda write: write.function):
        for answer in _apply_run(name, list(run)):
            on_progress()
            yield answer


def _apply_run(name: str, run: list[Write]) -> Iterable[Answer]:
    try:
        function = registry.find(name)
    except UnknownWriteFunction as exc:
        logger.error("batch state=unknown-function function=%s writes=%s", name, len(run))
        return [(write, _error(write, Kind.FAILED, 500, "unknown_write_function", str(exc))) for write in run]
    if len(run) > 1 and function.apply_many is not None:
        together = _apply_together(function.apply_many, run)
        if together is not None:
            return together
    return ((write, _apply_one(function, write)) for write in run)


def _apply_together(apply_many: registry.ApplyMany, run: list[Write]) -> list[Answer] | None:
    """Return the outcomes, or None when the bulk form failed and left no effect."""
    try:
        with transaction.atomic(), time_limit.limited(settings.WRITE_TIME_LIMIT_SECONDS):
            results = apply_many(run)
            _refuse_swallowed_errors()
            return [(write, _committed(write, result)) for write, result in zip(run, results, strict=True)]
    except (Exception, time_limit.WriteTimedOut) as exc:
        faults.raise_if_transient(exc)
        # Expected when one write of the run is bad: each then gets its own verdict.
        logger.info("batch state=one-by-one function=%s writes=%s error=%r", run[0].function, len(run), exc)
        return None


def _apply_one(function: registry.WriteFunction, write: Write) -> Outcome:
    try:
        with transaction.atomic(), time_limit.limited(settings.WRITE_TIME_LIMIT_SECONDS):
            result = function(write)
            _refuse_swallowed_errors()
            return _committed(write, result)
    except time_limit.WriteTimedOut as exc:
        return _timed_out(write, exc)
    except Exception as exc:
        faults.raise_if_transient(exc)
        if faults.sqlite_code(exc) == faults.SQLITE_INTERRUPT:
            return _timed_out(write, exc)
        return _outcome_of(write, exc)


def _refuse_swallowed_errors() -> None:
    """Raise when a function caught an error of the store: Django undoes its savepoint silently."""
    if transaction.get_rollback():
        raise transaction.TransactionManagementError(
            "The write function caught a database error inside its transaction, which undoes it. "
            "Wrap the statement that may fail in transaction.atomic()."
        )


def _timed_out(write: Write, exc: BaseException) -> Outcome:
    logger.error("write=%s state=timed-out function=%s", write.write_id, write.function)
    return _error(
        write,
        Kind.FAILED,
        500,
        "write_timed_out",
        f"The write took longer than {settings.WRITE_TIME_LIMIT_SECONDS:g} s and was cut off. No effect.",
        trace="".join(traceback.format_exception(exc)),
    )


def _committed(write: Write, result: Result) -> Outcome:
    body = encode_result(result.body)  # inside the savepoint: a result that is not JSON undoes its write
    return Outcome(write_id=write.write_id, kind=Kind.COMMITTED, status=result.status, body=body)


def _outcome_of(write: Write, exc: Exception) -> Outcome:
    if isinstance(exc, WriteRejected):
        return _error(write, Kind.REJECTED, exc.status, exc.code, exc.detail, fields=exc.fields)
    if isinstance(exc, IntegrityError):
        logger.info("write=%s state=conflict function=%s error=%s", write.write_id, write.function, exc)
        return _error(write, Kind.REJECTED, 409, "conflict", "The change conflicts with what is stored.")
    logger.error("write=%s state=failed function=%s", write.write_id, write.function, exc_info=exc)
    return _error(
        write,
        Kind.FAILED,
        500,
        "write_failed",
        "The write could not be applied because of an error on the server. It took no effect.",
        trace="".join(traceback.format_exception(exc)),
    )


def _error(
    write: Write,
    kind: Kind,
    status: int,
    code: str,
    detail: str,
    *,
    fields: dict[str, list[str]] | None = None,
    trace: str = "",
) -> Outcome:
    body: dict[str, Any] = {"code": _text(code), "detail": _text(detail)}
    if fields:
        body["fields"] = {_text(name): [_text(message) for message in fields[name]] for name in fields}
    return Outcome(
        write_id=write.write_id, kind=kind, status=status, body=orjson.dumps(body), traceback=_text(trace)
    )


def _text(value: object) -> str:
    """Return the value as a text that can be stored: lazy translations too, without lone surrogates."""
    return str(value).encode(errors="replace").decode()
