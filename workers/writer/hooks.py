"""What write functions put off with `transaction.on_commit`, run once their batch is durable.

Django runs the hooks of a transaction in a row, and the first one that raises keeps the others from running
and makes a committed transaction look failed. A batch holds the writes of many, so here each hook is on its
own: it changes no outcome, and no neighbour's hook waits for it longer than a write function may take.

At most once: a hook is lost when the writer dies between the commit and the hook. It is no place for what
must happen.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from workers.conf import settings
from workers.store import driver, time_limit
from workers.writes import Write

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What one write put off, or a run of them that was applied together."""

    writes: Sequence[Write]
    functions: Sequence[Callable[[], Any]]


def collect(connection: BaseDatabaseWrapper, writes: Sequence[Write]) -> list[Hooks]:
    """Take over what these writes put off. To be called once their savepoint is released.

    Django itself forgets what was put off in a savepoint that was undone.
    """
    waiting = connection.run_on_commit
    # Within a Django TestCase, which never commits, they stay: its captureOnCommitCallbacks finds them.
    if not waiting or len(connection.atomic_blocks) > 1:
        return []
    connection.run_on_commit = []
    return [Hooks(writes=writes, functions=[hook[1] for hook in waiting])]


def run(groups: Sequence[Hooks], on_progress: Callable[[], None]) -> None:
    """Run hooks in order, each guarded, after the commit. Never raises for one of them.

    Hooks share the time that their writes had. Each may write to the store, in a transaction of its own.
    """
    for hooks in groups:
        limit = settings.WRITE_TIME_LIMIT_SECONDS
        deadline = time.monotonic() + limit * len(hooks.writes)
        for function in hooks.functions:
            on_progress()
            left = deadline - time.monotonic()
            if limit > 0 and left <= 0:
                _say("hook-skipped", hooks, function, error=None)
                continue
            _run(hooks, function, seconds=min(limit, left) if limit > 0 else 0)


def _run(hooks: Hooks, function: Callable[[], Any], *, seconds: float) -> None:
    before = _transactions()
    try:
        with time_limit.limited(seconds):
            function()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # SystemExit too: the outcomes of a whole batch are still to be announced
        _say("hook-failed", hooks, function, error=exc)
    if _transactions() != before:
        _say("hook-left-connection-unusable", hooks, function, error=None)
        _reconnect()


def _transactions() -> tuple[int, bool, bool] | None:
    """Return what is under way, for Django and for its driver; None when the connection cannot be used."""
    raw = connection.connection
    blocks = len(connection.atomic_blocks)  # one in a Django TestCase, none elsewhere
    if raw is None:
        return blocks, True, blocks > 0
    is_open = driver.is_in_transaction(raw)
    return None if is_open is None else (blocks, connection.autocommit, is_open)


def _reconnect() -> None:
    """Undo what a hook left open, and begin anew: the next batch needs a transaction of its own."""
    with contextlib.suppress(Error):
        connection.close()
    connection.connection = None
    connection.in_atomic_block = connection.closed_in_transaction = False
    try:
        connection.connect()  # resets the rest
    except Error as exc:  # the next batch meets it too, and waits for the store
        logger.error("hook state=not-reconnected error=%s", exc)
        connection.connection = None


def _say(state: str, hooks: Hooks, function: Callable[[], Any], *, error: BaseException | None) -> None:
    logger.error(
        "write=%s state=%s function=%s writes=%s hook=%s",
        hooks.writes[0].write_id,
        state,
        hooks.writes[0].function,
        len(hooks.writes),
        getattr(function, "__qualname__", repr(function)),
        exc_info=error,
    )
