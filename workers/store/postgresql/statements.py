"""What a statement of PostgreSQL does, told by its text: https://www.postgresql.org/docs/current/sql-commands.html.

As in workers/store/lock/statements.py: what could write counts as a write. A SELECT of a function that writes
is taken for a read; in a transaction it has the store lock all the same.
"""

import re

from workers.store.lock.statements import BEFORE

_READING = re.compile(
    BEFORE
    + r"(?:SELECT|VALUES|TABLE|WITH|SHOW|EXPLAIN|FETCH|MOVE|DECLARE|CLOSE|SET|RESET|DISCARD|LISTEN|UNLISTEN|"
    r"BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE|DEALLOCATE|CHECKPOINT|LOAD|\()",
    re.I | re.S,
)
_WRITING_INSIDE = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE\s+\S+\s+(?:AS\s+\S+\s+)?SET|DELETE\s+FROM|MERGE\s+INTO|SELECT\b.*?\sINTO\s.*?\sFROM|"
    r"FOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE))\b",
    re.I,
)
_ANALYZED = re.compile(BEFORE + r"EXPLAIN\b.*\bANALYZE\b", re.I | re.S)
_ALONE = re.compile(
    BEFORE
    + r"(?:VACUUM|CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY|DROP\s+INDEX\s+CONCURRENTLY|REINDEX|CLUSTER|"
    r"CREATE\s+DATABASE|DROP\s+DATABASE|ALTER\s+DATABASE|CREATE\s+TABLESPACE|DROP\s+TABLESPACE|ALTER\s+SYSTEM|"
    r"REFRESH\s+MATERIALIZED\s+VIEW\s+CONCURRENTLY|ALTER\s+TYPE)\b",
    re.I | re.S,
)
_ENDING = re.compile(
    BEFORE + r"(?:COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|"
    r"ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b))(?:\b|$)",
    re.I | re.S,
)
_UNDOING_PART = re.compile(BEFORE + r"ROLLBACK\s+(?:WORK\s+|TRANSACTION\s+)?TO\b", re.I | re.S)
_SETTING = re.compile(BEFORE + r"SET\s+(?:TRANSACTION|SESSION\s+CHARACTERISTICS)\b", re.I | re.S)

_CHANGING_SESSION = re.compile(
    BEFORE + r"(?:SET\s+(?!LOCAL\b|CONSTRAINTS\b|TRANSACTION\b)|RESET\b|DISCARD\b|UNLISTEN\b)", re.I | re.S
)


_COMMENT_OR_QUOTED = re.compile(
    r"--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<tag>\$\w*\$).*?(?P=tag)",
    re.S,
)


def parts(sql: str) -> list[str]:
    """Return the statements in a text: PostgreSQL runs several when they come without parameters."""
    return _COMMENT_OR_QUOTED.sub(_blank, sql).split(";") if ";" in sql else [sql]


def _blank(found: re.Match[str]) -> str:
    return " " if found[0].startswith(("--", "/*")) else "''"


def changes_session(sql: str) -> bool:
    """Return whether it changes the connection for whatever follows its transaction."""
    return _CHANGING_SESSION.match(sql) is not None


def writes(sql: str) -> bool:
    """Return whether it writes, or locks rows, as far as its text tells."""
    if _READING.match(sql) is None:
        return True
    if _is_many(sql) or _ANALYZED.match(sql):
        return True
    return _WRITING_INSIDE.search(sql) is not None


def is_for_no_transaction(sql: str) -> bool:
    """Return whether it may be one that PostgreSQL refuses to run in a transaction block."""
    return _ALONE.match(sql) is not None


def ends_transaction(sql: str) -> bool:
    """Return whether it ends the transaction that is open, or begins one by itself."""
    return _ENDING.match(sql) is not None


def undoes_part(sql: str) -> bool:
    """Return whether it goes back to a savepoint."""
    return _UNDOING_PART.match(sql) is not None


def prepares_transaction(sql: str) -> bool:
    """Return whether it has to come before all other statements of its transaction."""
    return _SETTING.match(sql) is not None


def _is_many(sql: str) -> bool:
    return ";" in sql.rstrip().removesuffix(";")
