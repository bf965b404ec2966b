"""Keep a write function inside its batch's transaction, which it shares with other writes.

A function that ended the transaction would make its neighbours' effects durable without their receipts, so
that they were applied twice, or would lose them. Statements that end it, or that change the connection for
everybody after, are refused by SQLite itself while a write function runs: `authorize` is asked when a
statement is compiled, whichever way it came. What cannot be refused (the connection closed, savepoints left
open) is noticed afterwards.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from workers.store import driver

HARMLESS_PRAGMAS = frozenset(
    {
        # They read, and take an argument all the same.
        *("table_info", "table_xinfo", "table_list", "index_info", "index_xinfo", "index_list"),
        *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"),
        # These end with the transaction, are a part of it, or do nothing inside one.
        *("defer_foreign_keys", "user_version", "application_id", "incremental_vacuum", "foreign_keys"),
    }
)


class _State(threading.local):
    """Of the thread's own connection: others in this process may write and commit meanwhile."""

    is_up = False
    refused = ""
    guard: object = None
    """What guards the connection of the batch; workers/store/lock/guard.py."""


_state = _State()


def authorize(
    action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
) -> int:
    """Say whether SQLite may compile a statement. See https://www.sqlite.org/c3ref/set_authorizer.html."""
    if not _state.is_up:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_TRANSACTION:
        _state.refused = str(first)
    elif action == sqlite3.SQLITE_PRAGMA and second is not None and first not in HARMLESS_PRAGMAS:
        _state.refused = f"PRAGMA {first}"
    else:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def is_up_for(guard: object) -> bool:
    """Return whether a write function runs on the connection that has this guard."""
    return _state.is_up and _state.guard is guard


def refuse_transaction(guard: object) -> None:
    """Raise TransactionManagementError when the batch's connection begins one while a function runs.

    Then the batch's own is over, and what is written now would be committed without its receipt.
    """
    if is_up_for(guard):
        raise TransactionManagementError("The transaction that this write shares with others is over.")


def refuse_statement(guard: object, text: str) -> None:
    """Raise TransactionManagementError for a statement that a server would run, while a function runs.

    SQLite asks `authorize`; PostgreSQL has nothing like it. `guard` is that of the connection.
    """
    if is_up_for(guard):
        _state.refused = " ".join(text.split()[:2])
        raise TransactionManagementError(_refusal(_state.refused))


@contextmanager
def lowered() -> Iterator[None]:
    """Let the store lock's own PRAGMAs pass in the block, whatever runs."""
    was_up, _state.is_up = _state.is_up, False
    try:
        yield
    finally:
        _state.is_up = was_up


class Fenced:
    """Runs a write function in its savepoint. Raises TransactionManagementError when it tried to get out.

    To be used inside the savepoint, which undoes what it did. A class, and a connection that is looked up
    once: this is on the path of every write.
    """

    def __init__(self) -> None:
        self.connection: BaseDatabaseWrapper = connections[DEFAULT_DB_ALIAS]

    def __enter__(self) -> None:
        self._blocks = [*self.connection.atomic_blocks]
        self._savepoints = [*self.connection.savepoint_ids]
        _state.is_up, _state.refused = True, ""
        _state.guard = vars(self.connection).get("guard", vars(self.connection).get("server_guard"))

    def __exit__(self, kind: type[BaseException] | None, exc: object, trace: object) -> None:
        _state.is_up = False
        left_open = self.connection.atomic_blocks != self._blocks
        if left_open and self.connection.in_atomic_block:
            # Else Django would take this savepoint for the function's, and the batch for committed.
            self.connection.atomic_blocks[:] = self._blocks
            self.connection.savepoint_ids[:] = self._savepoints
        if kind is None and (_state.refused or left_open or self.is_spoilt()):
            raise TransactionManagementError(self._what_is_wrong(left_open))

    def is_spoilt(self) -> bool:
        """Return whether the batch's transaction is over, or can only be undone as a whole."""
        # The latter when what it did could not be undone to its savepoint.
        return (
            self.connection.needs_rollback
            or _is_lost(self.connection)
            or driver.has_failed(self.connection.connection)
        )

    def was_closed(self) -> bool:
        """Return whether the function closed the connection: what follows is no error of the server."""
        return driver.was_closed(self.connection.connection)

    def _what_is_wrong(self, left_open: bool) -> str:
        if _state.refused:
            return _refusal(_state.refused)
        if left_open:
            return "The write function left a transaction.atomic() block open. Use it in a `with` statement."
        if _is_lost(self.connection):
            return "The write function closed the connection, or undid the transaction it shares with others."
        return (
            "The write function caught a database error inside its transaction, which undoes it. "
            "Wrap the statement that may fail in transaction.atomic()."
        )


def _refusal(what: str) -> str:
    return (
        f"The write function tried to use {what}, which would end or change a transaction "
        "that it shares with other writes. Use transaction.atomic() for a part that may be undone."
    )


def _is_lost(connection: BaseDatabaseWrapper) -> bool:
    # SQLite itself undoes a transaction when it interrupts a statement that writes, among other reasons.
    return connection.closed_in_transaction or not driver.is_in_transaction(connection.connection)
