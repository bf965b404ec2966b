"""Places that the doctor looks at."""

from pathlib import Path

import pytest
from django.db import connection

from workers.store.lease.command import command_lease
from workers.writer.loop import Writer


@pytest.fixture
def at_work(writer: Writer) -> Writer:
    """A writer at work in this process, which holds the lease as a command would."""
    command_lease.take()
    writer.drain()
    return writer


@pytest.fixture
def store(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets doctor look at a store of the test's own; there is none yet."""
    path = tmp_path / "store.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    return path
