"""Puts a backup in the store's place, while nobody has the store open; the former store is kept.

What waits in the stream is for the store of this identity at this place, so its writer goes on with it: what
the backup holds already has its receipt in it, the rest is applied, once.
"""

import gzip
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from django.db import connections

from workers.backups import making
from workers.backups.archive import Backup, BackupError
from workers.backups.making import Progress, no_progress
from workers.exceptions import StoreBusy
from workers.store import private_files, store_file, whole_file
from workers.store.lease import SUFFIX, Lease
from workers.store.lock.store_lock import lock_of

PART_SUFFIX = ".restoring"

LOGS = [suffix for suffix in private_files.SUFFIXES if suffix]

PURPOSE = "restore"


class StoreInUse(BackupError):
    """Somebody has the store open, so nothing was restored."""


def unpack(backup: Backup, target: Path, progress: Progress = no_progress) -> None:
    """Write a backup's content into a new file and verify it: its digest, its soundness, its rows.

    Raises BackupError, and leaves no file then.
    """
    try:
        if making.digest(backup.path, progress) != backup.manifest.sha256:
            raise BackupError(f"{backup.path} is not as it was made: its SHA-256 differs. Use another one.")
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _not_unpacked(backup, target, exc) from exc
    try:
        with open(descriptor, "wb") as file:
            _write(backup, file, progress)
        progress("verify", 0.0)
        if found := making.verify(target, backup.manifest.rows):
            raise BackupError(f"{backup.path} is not sound: {'; '.join(found)}. Use another one.")
    except BaseException as exc:
        target.unlink(missing_ok=True)
        if isinstance(exc, OSError | EOFError | sqlite3.Error):
            raise _not_unpacked(backup, target, exc) from exc
        raise


def _not_unpacked(backup: Backup, target: Path, exc: Exception) -> BackupError:
    return BackupError(f"{backup.path} could not be unpacked to {target}: {exc}.")


def _write(backup: Backup, file: IO[bytes], progress: Progress) -> None:
    with backup.path.open("rb") as raw:
        source = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if backup.is_compressed else raw
        for chunk in making.chunks(source, raw, "unpack", progress):
            file.write(chunk)
    file.flush()
    os.fsync(file.fileno())


def restore(backup: Backup, store: Path, progress: Progress = no_progress) -> Path | None:
    """Put a backup in the place of the store with this real path; return where the former one was put.

    Raises StoreInUse and BackupError.
    """
    part = store.with_name(store.name + PART_SUFFIX)
    with _alone(store):
        part.unlink(missing_ok=True)  # of an attempt that was interrupted
        making.refuse_full_disk(store.parent, backup.manifest.store_bytes, "Make room first.")
        unpack(backup, part, progress)
        try:
            private_files.own_as(store if store.exists() else store.parent, part)
            former = _put_aside(store)
            # At no moment is there no store: whoever started just then would make an empty one.
            part.replace(store)
            # A former log that is still there now is not taken for this file's: see store_file.py.
            for suffix in LOGS:
                Path(f"{store}{suffix}").unlink(missing_ok=True)
            making.sync_directory(store.parent)
            lock_of(store).leave_mark(store_file.mark_of(store))
        except OSError as exc:
            part.unlink(missing_ok=True)
            raise BackupError(f"{backup.path} could not be put at {store}: {exc}.") from exc
    return former


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Keep every writer away in the block, and everybody else too who would open the store."""
    connections.close_all()
    lease = Lease(Path(f"{store}{SUFFIX}"))
    if not lease.try_acquire(purpose=PURPOSE):
        raise StoreInUse(f"{lease.holder()} is the writer of {store}. Stop the service first.")
    lock = lock_of(store)
    try:
        lock.acquire(PURPOSE, seconds=0)
    except StoreBusy as exc:
        lease.release()
        raise StoreInUse(f"{exc} Stop the service first.") from exc
    try:
        with whole_file.locked(store) as is_alone:
            if not is_alone:
                raise StoreInUse(f"Another process has {store} open. Stop the service first.")
            yield
    finally:
        lock.release()
        lease.release()


def _put_aside(store: Path) -> Path | None:
    """Give the former store, and its log, a second name under which SQLite can open it, whole."""
    if not store.exists():
        return None
    former = store.with_name(f"{store.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    # Links, so that an interruption leaves the store as it was. No writer takes it while it has two names.
    os.link(store, former)
    for suffix in ("-wal", "-journal"):  # -shm is only an index of the log, which SQLite makes anew
        with suppress(FileNotFoundError):
            os.link(f"{store}{suffix}", f"{former}{suffix}")
    making.sync_directory(store.parent)
    return former
