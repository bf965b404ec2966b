"""Rows whose primary key a test chooses."""

from typing import TypeVar

from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


def create_with_key(model: type[M], key: int, **fields: object) -> M:
    """Create a row with this key, and let the store give out what is above it.

    A key that was chosen does not advance the sequence of PostgreSQL: the next row would be given the same
    one, unless an earlier test of the process had already taken it.
    """
    made = model._default_manager.create(pk=key, **fields)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
            cursor.execute(statement)
    return made
