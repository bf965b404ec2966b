"""PostgreSQL as the store: its modules, loaded when a connection to a server is first met.

Its driver may not be installed, and takes as long to import as half of Django: a process on SQLite does
without.
"""

from functools import cache
from importlib import import_module
from typing import Any


@cache
def module(name: str) -> Any:
    """Return a module of workers/store/postgresql. Raises ImportError where psycopg is not installed."""
    return import_module(f"workers.store.postgresql.{name}")
