"""A transaction that is ended while its thread waits for the writer, and begun anew by its next statement.

Only one that has changed nothing: nothing is lost, and the writer is not kept out.
"""

from collections.abc import Iterable
from functools import partial

from workers.store.lock import statements
from workers.store.lock.raw_connection import HasRows, RawConnection
from workers.store.lock.savepoints import Savepoints

BEGIN = "BEGIN IMMEDIATE"


class Interlude:
    """Of one guard, which calls it with its lock, and with its mutex held."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection
        self._rows_changed = 0
        """By this connection, when its transaction began."""
        self._has_changed = False
        """Whether a statement was run that may have changed what SQLite does not count."""
        self._savepoints = Savepoints()
        self.is_over = False
        """Whether the next statement has to begin the transaction anew."""

    def note(self, sql: str) -> None:
        """Note what is about to be run; "" for what cannot be told."""
        if not self._connection.is_in_transaction:
            self._rows_changed, self._has_changed = self._connection.raw.total_changes, False
            self._savepoints.clear()
        elif not self._has_changed:
            self._has_changed = not sql or statements.changes(sql)
        self._savepoints.note(sql)

    @property
    def is_possible(self) -> bool:
        """Whether the transaction has changed nothing so far, and has no savepoint to go back to."""
        if self._savepoints.are_open:
            return False
        return not self._has_changed and self._connection.raw.total_changes == self._rows_changed

    def begin(self) -> None:
        """End the transaction. Raises sqlite3.Error."""
        # Not a rollback, which would cut off a SELECT whose rows are still being fetched.
        self._connection.raw.commit()

    def begin_anew(self, sql: str, cursors: Iterable[HasRows]) -> None:
        """Begin the transaction anew before this statement. Raises sqlite3.Error."""
        if not self.is_over:
            return
        if not statements.begins_anew(sql):
            begin = partial(self._connection.raw.execute, BEGIN)
            self._connection.on_present_rows(begin, cursors, BEGIN)
        self.is_over = False  # not where that has failed: what follows would be committed one by one

    def forget(self) -> None:
        """Have nothing begun anew: Django has ended what it takes for the transaction."""
        self.is_over = False
