"""Where a process says that it makes progress, whatever the place of temporary files is."""

import socket
import tempfile
from pathlib import Path

import pytest

from workers.up.notify_socket import NotifySocket


def test_a_directory_whose_name_is_too_long_for_a_socket_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 110)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    listening = NotifySocket()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.sendto(b"READY=1\nWATCHDOG=1", listening.path)

        assert listening.heard()
    finally:
        listening.close()
    assert not Path(listening.path).parent.exists()
    assert list(long.iterdir()) == []
