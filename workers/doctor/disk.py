"""The disk under the store: its file system, its free space, and the size of the log."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from workers.doctor.finding import Finding, error, info, ok, size, warning
from workers.store import free_space, pragmas

MOUNTS = Path("/proc/self/mounts")

FILE_SERVERS = {
    "9p",
    "afs",
    "cifs",
    "davfs",
    "davfs2",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb",
    "smb2",
    "smb3",
    "smbfs",
}
CLUSTERS = {"beegfs", "ceph", "ceph-fuse", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ocfs2", "orangefs"}
REMOTE_FOLDERS = {"gcsfuse", "goofys", "juicefs", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs"}
NETWORK_TYPES = frozenset(FILE_SERVERS | CLUSTERS | REMOTE_FOLDERS)
"""Where file locks or shared memory do not work between machines, or only seem to; some behind `fuse.`."""

SHARED_TYPES = frozenset({"fakeowner", "virtiofs", "fuse", "fuseblk", "prl_fs", "vboxsf", "drvfs"})
"""What virtual machines use for folders of their host, and file systems of unknown make."""

MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})

LOCAL_DISK = (
    "Set DATA_DIR to a directory on a local disk (ext4, xfs, btrfs, zfs, apfs) and move the store there."
)


def examine(path: Path) -> Iterator[Finding]:
    """Yield what the disk under the store shows."""
    yield judge_file_system(file_system_of(path))
    try:
        usage = shutil.disk_usage(path.parent)
    except OSError as exc:
        yield error("disk.space", f"{path.parent} cannot be looked at: {exc}", "Create DATA_DIR, or set it.")
        return
    yield judge_space(usage.free, usage.total)


def file_system_of(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the file system that holds the path, or None where that cannot be told.

    `mounts` is the text of /proc/self/mounts.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")  # names are bytes
        except OSError:  # not Linux
            return None
    place = path.resolve()
    deepest, found = -1, None
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        mounted_at = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point))
        # What is mounted later over the same place hides what was there.
        if place.is_relative_to(mounted_at) and len(mounted_at.parts) >= deepest:
            deepest, found = len(mounted_at.parts), kind
    return found


def judge_file_system(kind: str | None) -> Finding:
    """Say whether SQLite's locks, its shared memory and its durability can be relied on there."""
    name = "disk.file_system"
    if kind is None:
        return info(name, "Its type cannot be told on this system. It must be a local disk.")
    if kind.removeprefix("fuse.") in NETWORK_TYPES:
        return error(
            name,
            f"The store is on {kind}, a network file system: SQLite's log and locks do not work there, "
            "and two writers could damage the store.",
            LOCAL_DISK,
        )
    if kind in SHARED_TYPES or kind.startswith("fuse."):
        return warning(
            name, f"The store is on {kind}, whose locks and syncs may reach another machine.", LOCAL_DISK
        )
    if kind in MEMORY_TYPES:
        return warning(name, f"The store is on {kind}, in memory: a restart loses all of it.", LOCAL_DISK)
    if kind == "overlay":
        return warning(
            name,
            "The store is in a container's own layer: it goes when the container is removed.",
            "Mount a volume at DATA_DIR.",
        )
    return ok(name, f"{kind}, local.")


def judge_space(free: int, total: int) -> Finding:
    """Say whether there is room for the store and its log to grow."""
    name, share = "disk.space", free / total if total else 0.0
    found = f"{size(free)} free of {size(total)} ({share:.0%})."
    if free < free_space.FULL_BYTES:
        return error(
            name,
            found + " The writer stops when it is full; accepted writes then wait.",
            "Make room on the store's disk, or enlarge it; the writer goes on by itself.",
        )
    if free_space.is_low(free, total):
        return warning(name, found, "Make room on the store's disk, or enlarge it.")
    return ok(name, found)


def judge_log(size_bytes: int, readers: str) -> Finding:
    """Say whether the write-ahead log is emptied as it should be; `readers` names who may keep it."""
    name = "store.log"
    found = f"The write-ahead log has {size(size_bytes)}."
    if size_bytes <= pragmas.JOURNAL_SIZE_LIMIT_BYTES:
        return ok(name, found)
    return warning(
        name,
        f"{found} More than {size(pragmas.JOURNAL_SIZE_LIMIT_BYTES)} means that it cannot be emptied: a "
        f"reader keeps a transaction open, or no writer is at work. {readers}",
        "End the long reader (a shell, a backup, a report) or start the writer; the log then shrinks.",
    )
