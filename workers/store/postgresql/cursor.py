"""psycopg's cursors inside the fence: each statement is looked at, whether it comes through Django or not."""

from functools import cache
from typing import Any

from psycopg import sql

from workers.store import fence
from workers.store.postgresql import statements


class FencedCursor:
    """Refuses what would end the batch's transaction, or change its connection, while a write function runs.

    Its methods raise TransactionManagementError.
    """

    connection: Any

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._look_at(query)
        return super().execute(query, *arguments, **options)  # type: ignore[misc]  # of psycopg's cursor

    def executemany(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._look_at(query)
        return super().executemany(query, *arguments, **options)  # type: ignore[misc]  # the same

    def copy(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        self._look_at(statement)
        return super().copy(statement, *arguments, **options)  # type: ignore[misc]  # the same

    def stream(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._look_at(query)
        return super().stream(query, *arguments, **options)  # type: ignore[misc]  # the same

    def _look_at(self, query: Any) -> None:
        guard = self.connection.guard
        if not fence.is_up_for(guard):
            return
        for part in statements.parts(_text(query, self.connection)):
            if statements.ends_transaction(part) or statements.changes_session(part):
                fence.refuse_statement(guard, part)


@cache
def fenced(kind: type) -> type:
    """Return the same kind of cursor, inside the fence."""
    return type(f"Fenced{kind.__name__}", (FencedCursor, kind), {})


def _text(query: Any, connection: Any) -> str:
    match query:
        case str():
            return query
        case bytes():
            return query.decode(errors="replace")
        case _:
            text: str = sql.as_string(query, connection)
            return text
