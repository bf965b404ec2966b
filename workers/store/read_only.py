"""A store opened so that it cannot be written, with what Django and the project add to SQLite.

An index may use a function or a collation that SQLite itself does not have. To look at such a store, a
connection needs them too: https://docs.djangoproject.com/en/stable/ref/signals/#connection-created.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connections


@contextmanager
def opened(store: Path, *, is_alone: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a store in autocommit mode. Raises sqlite3.Error.

    `is_alone`: nobody else has it open, so it needs no locks and no log; it may lie on a read-only disk.
    """
    connection = connections.create_connection("default")
    # Such a connection does not move the log either when it is the last one to close.
    query = "mode=ro&immutable=1" if is_alone else "mode=ro"
    own = {name: value for name, value in connection.settings_dict.items() if name != "OPTIONS"}
    # Not the project's own first commands, which may turn the log on.
    options = {
        name: value
        for name, value in connection.settings_dict.get("OPTIONS", {}).items()
        if name != "init_command"
    }
    connection.settings_dict = own | {"NAME": f"{store.absolute().as_uri()}?{query}", "OPTIONS": options}
    try:
        connection.connect()
        yield connection.connection
    finally:
        connection.close()
