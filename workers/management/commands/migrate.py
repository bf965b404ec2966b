from typing import Any

from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import connections

from workers.store import opening


class Command(DjangoCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        # All of it: what is written between two steps would meet half a schema.
        with opening.kept(connections[options["database"]]):
            super().handle(*args, **options)
