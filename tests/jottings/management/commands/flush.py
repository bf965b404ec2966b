from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.core.management.commands import flush
from django.db import connection

KEPT = (ContentType, Permission)
"""The tables that `migrate` fills anew after a flush, which takes most of its time."""

_as_migrated: list[list[tuple[Any, ...]]] = []


def remember() -> None:
    """Note what `migrate` has made of these tables. To be called once, in a migrated test database."""
    _as_migrated[:] = _rows()


def _rows() -> list[list[tuple[Any, ...]]]:
    return [list(model._base_manager.order_by("pk").values_list()) for model in KEPT]


class Command(flush.Command):
    """Empties the test database after each test that commits, and leaves what is as `migrate` has made it."""

    def handle(self, **options: Any) -> None:
        if options.get("reset_sequences", True) or not _as_migrated or _as_migrated != _rows():
            super().handle(**options)
            ContentType.objects.clear_cache()
            if _as_migrated:
                remember()
            return
        kept = {model._meta.db_table for model in KEPT}
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        statements = connection.ops.sql_flush(no_style(), [table for table in tables if table not in kept])
        connection.ops.execute_sql_flush(statements)
