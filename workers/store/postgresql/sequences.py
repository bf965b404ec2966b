"""Sequences, by which PostgreSQL gives out primary keys, after rows that brought theirs along."""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Model

NEAR = 10_000
"""Keys that are passed one at a time."""

_JUMP = "SELECT setval(%(sequence)s, %(key)s) FROM {sequence} WHERE last_value < %(key)s - {near}"
_STEPS = """
WITH RECURSIVE given(key) AS (
    SELECT nextval(%(sequence)s) FROM {sequence}
    WHERE CASE WHEN is_called THEN last_value ELSE last_value - 1 END < %(key)s
    UNION ALL SELECT nextval(%(sequence)s) FROM given WHERE key < %(key)s
)
SELECT max(key) FROM given
"""


def pass_key(connection: BaseDatabaseWrapper, model: type[Model], key: int) -> None:
    """Let the model's sequence give out what is above this key from now on. It is never lowered.

    It does not lock: others may be given keys from it at the same time, and so may who runs no code of this
    project. So it is not set, which may lower what they have raised, but asked for keys until it has passed
    this one. Only one that is far behind is set, from which nobody takes so many keys in one statement.
    """
    pk = model._meta.pk
    if not isinstance(pk, AutoField):
        return
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(model._meta.db_table)
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, pk.column])
        sequence = cursor.fetchone()[0]
        if sequence is None:  # keys are given out in some other way
            return
        for statement in (_JUMP, _STEPS):
            asked = statement.format(sequence=sequence, near=NEAR)  # the server's own name, in its quotes
            cursor.execute(asked, {"sequence": sequence, "key": key})
