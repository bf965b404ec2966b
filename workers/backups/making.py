"""Makes a backup: copies one snapshot, verifies and compresses it, and says in a manifest what it is."""

import gzip
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from workers.backups import archive, snapshot
from workers.backups.archive import Backup, BackupError, Manifest
from workers.store import private_files, read_only, wal

CHUNK_BYTES = 1024 * 1024

COMPRESSION_LEVEL = 1
"""Rows compress to a third or so at the lowest level; more of it takes minutes for a few percent."""

SPARE_BYTES = 100 * 1024 * 1024
"""What is left free on the disk: a full one stops the writer."""

Progress = Callable[[str, float], None]
"""Called with what is being done, and the part of it that is done, 0 to 1."""


def no_progress(what: str, part: float) -> None:
    """Show nothing."""


def make(store: Path, place: Path, *, compresses: bool, progress: Progress = no_progress) -> Backup:
    """Make a backup of a store in a directory, while others write. Raises BackupError."""
    started, moment = time.monotonic(), datetime.now(UTC)
    path = place / archive.name_for(store, moment, is_compressed=compresses)
    part = archive.part_path(place, store)
    try:
        with archive.locked(place, store):
            _refuse_full_disk(store, place, compresses=compresses)
            identity, rows = _copy(store, part, progress)
            _verify(part, rows, progress)
            store_bytes = part.stat().st_size
            if compresses:
                part = _compress(part, progress)
            size_bytes, sha256 = part.stat().st_size, digest(part, progress)
            manifest = Manifest(
                identity=identity,
                store=os.fspath(store),
                taken_at=moment.timestamp(),
                seconds=time.monotonic() - started,
                size_bytes=size_bytes,
                store_bytes=store_bytes,
                sha256=sha256,
                rows=rows,
            )
            with suppress(PermissionError):
                private_files.own_as(place, part)
            part.rename(path)
            archive.write_manifest(path, manifest)
            sync_directory(place)
    except sqlite3.Error as exc:
        raise BackupError(f"{store} could not be copied: {exc}.") from exc
    except OSError as exc:
        raise BackupError(f"No backup was made in {place}: {exc}.") from exc
    return Backup(path=path, manifest=manifest)


def _refuse_full_disk(store: Path, place: Path, *, compresses: bool) -> None:
    bytes_of_store = store.stat().st_size + wal.size_bytes(store)
    refuse_full_disk(
        place,
        bytes_of_store + (bytes_of_store if compresses else 0) + SPARE_BYTES,
        "Make room, set WRITE_BACKUP_DIRECTORY to another disk, or lower WRITE_BACKUP_KEEP.",
    )


def refuse_full_disk(place: Path, needed: int, hint: str) -> None:
    """Raise BackupError when so many bytes may not fit into a directory."""
    free = shutil.disk_usage(place).free
    if free < needed:
        raise BackupError(
            f"{place} has {free // 1024**2} MiB free, and {needed // 1024**2} may be needed. Nothing was "
            f"changed. {hint}"
        )


def _copy(store: Path, part: Path, progress: Progress) -> tuple[str, dict[str, int]]:
    with snapshot.snapshot(store) as source:
        snapshot.copy(source, part, lambda done: progress("copy", done))
        progress("count", 0.0)
        return snapshot.identity(source), snapshot.counts(source)


def _verify(part: Path, rows: dict[str, int], progress: Progress) -> None:
    progress("verify", 0.0)
    found = verify(part, rows)
    if found:
        raise BackupError(
            f"The copy is not sound: {'; '.join(found)}. `manage.py doctor --full` looks closer."
        )


def verify(path: Path, rows: dict[str, int]) -> list[str]:
    """Return what is wrong with an uncompressed backup that should have these rows. Raises sqlite3.Error."""
    with read_only.opened(path, is_alone=True) as raw:
        found = snapshot.problems(raw)
        if found:
            return found
        counted = snapshot.counts(raw)
    names = sorted(rows.keys() | counted.keys())
    return [
        f"{name} has {counted.get(name)} rows instead of {rows.get(name)}"
        for name in names
        if rows.get(name) != counted.get(name)
    ]


def _compress(part: Path, progress: Progress) -> Path:
    target = part.with_name(part.name + archive.COMPRESSED_SUFFIX)
    with part.open("rb") as source, target.open("xb") as file:
        private_files.make_private(target)
        with gzip.GzipFile("", "wb", COMPRESSION_LEVEL, file, mtime=0) as compressed:
            for chunk in chunks(source, source, "compress", progress):
                compressed.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    part.unlink()
    return target


def digest(path: Path, progress: Progress) -> str:
    """Return the SHA-256 of a file, in hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in chunks(file, file, "digest", progress):
            found.update(chunk)
    return found.hexdigest()


def chunks(source: IO[bytes], file: IO[bytes], what: str, progress: Progress) -> Iterator[bytes]:
    """Yield what `source` gives; `file`, from which it comes in the end, tells how far it is."""
    total = max(os.fstat(file.fileno()).st_size, 1)
    while chunk := source.read(CHUNK_BYTES):
        progress(what, file.tell() / total)
        yield chunk


def sync_directory(place: Path) -> None:
    """Have the names in a directory on disk. Raises OSError."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
