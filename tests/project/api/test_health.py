"""Whether the service is ready, and what will soon stand in its way."""

import shutil

import pytest
from rest_framework.test import APIClient

from workers.writer.loop import Writer


@pytest.mark.sqlite  # of the file's disk
def test_a_disk_that_is_nearly_full_is_a_warning_while_writes_are_committed(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.drain()
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=usage.total))
    roomy = APIClient().get("/health/ready")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=200 * 1024**2))
    full = APIClient().get("/health/ready")

    assert roomy.status_code == full.status_code == 200
    assert roomy.json() == {"status": "ok", "warnings": {}}
    assert list(full.json()["warnings"]) == ["disk"]
    assert "200 MiB free" in full.json()["warnings"]["disk"]
