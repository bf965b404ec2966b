"""Places that the doctor looks at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from workers.store.lease import Lease
from workers.writer.loop import Writer


@pytest.fixture
def at_work(writer: Writer) -> Iterator[Writer]:
    """A writer at work in this process, with the lease."""
    lease = Lease()
    assert lease.try_acquire(purpose="writer")
    writer.drain()
    yield writer
    lease.release()


@pytest.fixture
def store(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets doctor look at a store of the test's own; there is none yet."""
    path = tmp_path / "store.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    return path
