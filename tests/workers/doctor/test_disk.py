"""The disk and the processes of the machine."""

import os
from pathlib import Path

import pytest

from tests.workers.doctor.stores import make_store
from tests.workers.writer_process import READER, running
from workers.doctor import Level, disk, host

GIB = 1024**3
MIB = 1024**2


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.ceph-fuse", "ceph"]
)
def test_a_network_file_system_is_an_error(kind: str) -> None:
    finding = disk.judge_file_system(kind)

    assert finding.level is Level.ERROR
    assert "local disk" in finding.hint


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("ext4", Level.OK),
        (None, Level.INFO),
        ("tmpfs", Level.WARNING),
        ("overlay", Level.WARNING),
        ("virtiofs", Level.WARNING),
        ("fuse.unheard-of", Level.WARNING),
    ],
)
def test_other_file_systems_are_judged_by_what_they_keep(kind: str | None, level: Level) -> None:
    assert disk.judge_file_system(kind).level is level


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
/dev/vdb /srv/local\\040disk xfs rw 0 0
/dev/vdc /data ext4 rw 0 0
tmpfs /data tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/store", "ext4"),
        ("/srv/store", "nfs4"),
        ("/srvant/store", "ext4"),
        ("/srv/local disk/store", "xfs"),
        ("/data/store", "tmpfs"),
    ],
)
def test_the_deepest_and_latest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert disk.file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (100 * MIB - 1, 100 * GIB, Level.ERROR),
        (100 * MIB, 100 * GIB, Level.WARNING),
        (GIB - 1, 2 * GIB, Level.WARNING),
        (9 * GIB, 100 * GIB, Level.WARNING),
        (10 * GIB, 100 * GIB, Level.OK),
    ],
)
def test_little_space_is_said_before_there_is_none(free: int, total: int, level: Level) -> None:
    finding = disk.judge_space(free, total)

    assert finding.level is level
    assert finding.hint.startswith("Make room") is (level is not Level.OK)


def test_a_log_that_grew_past_its_limit_names_the_reader_that_keeps_it(store: Path) -> None:
    make_store(store)
    with running(READER, says="reads") as reader:
        os.truncate(f"{store}-wal", 65 * MIB)
        found = {finding.name: finding for finding in host.examine(store)}

    assert found["store.log"].level is Level.WARNING
    assert "End the long reader" in found["store.log"].hint
    assert f"pid {reader.pid}, " in found["store.log"].msg
    assert f"pid {reader.pid}, " in found["store.readers"].msg
    assert str(reader.pid) in found["store.open_by"].msg


def test_a_lock_that_is_waited_for_or_on_another_file_is_no_reader() -> None:
    locks = (
        "1: POSIX  ADVISORY  READ 11 fe:00:77 124 124\n"
        "1: -> POSIX  ADVISORY  READ 12 fe:00:77 124 124\n"
        "2: POSIX  ADVISORY  READ 13 fe:00:78 124 124\n"
        "3: POSIX  ADVISORY  READ 14 fe:00:77 128 128\n"
        "4: FLOCK  ADVISORY  WRITE 15 fe:00:77 0 EOF\n"
        "5: POSIX  ADVISORY  WRITE 16 fe:00:77 120 120\n"
    )

    assert host.readers_in(locks, 77) == {11}
