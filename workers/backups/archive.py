"""The directory of the backups: their names, their manifests, and which are kept."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workers.conf import settings
from workers.exceptions import WritePathError
from workers.store import flock, store_file

MANIFEST_SUFFIX = ".json"
PART_SUFFIX = ".part"
COMPRESSED_SUFFIX = ".gz"
LOCK_NAME = ".lock"


class BackupError(WritePathError):
    """The backup could not be made, or is not as it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds, said when it was made."""

    identity: str
    """Of the store; empty when it had none."""
    store: str
    """Where the store was."""
    taken_at: float
    """The moment whose state it holds, in seconds since 1970."""
    seconds: float
    """How long it took to make."""
    size_bytes: int
    """Of the backup's file, compressed or not."""
    store_bytes: int
    """Of the store that it becomes."""
    sha256: str
    """Of the backup's file, in hexadecimal."""
    rows: dict[str, int]
    """How many each table has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup with its manifest."""

    path: Path
    manifest: Manifest

    @property
    def is_compressed(self) -> bool:
        return self.path.suffix == COMPRESSED_SUFFIX

    @property
    def age_seconds(self) -> float:
        return max(0.0, datetime.now(UTC).timestamp() - self.manifest.taken_at)


def directory() -> Path:
    """Return where the backups are: WRITE_BACKUP_DIRECTORY, else `backups` beside the store."""
    named = settings.WRITE_BACKUP_DIRECTORY
    return Path(named).absolute() if named else store_file.path().parent / "backups"


def name_for(store: Path, moment: datetime, *, is_compressed: bool) -> str:
    """Return a backup's name: the store's, and the moment in UTC, so that names sort by time."""
    compressed = COMPRESSED_SUFFIX if is_compressed else ""
    return f"{store.stem}-{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.sqlite3{compressed}"


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Put the manifest beside its backup. Raises OSError."""
    place = manifest_path(path)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as file:
        json.dump(asdict(manifest), file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name + MANIFEST_SUFFIX)


def read(path: Path) -> Backup:
    """Return the backup in this file. Raises BackupError when it is none."""
    place = manifest_path(path)
    try:
        content: Any = json.loads(place.read_text())
        manifest = Manifest(**{field.name: content[field.name] for field in fields(Manifest)})
    except FileNotFoundError as exc:
        hint = "A copied file without one cannot be verified."
        raise BackupError(f"{path} has no manifest beside it ({place.name}). {hint}") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BackupError(f"{place} is not the manifest of a backup: {exc!r}.") from exc
    if not path.is_file():
        raise BackupError(f"{path} is not there, but its manifest is.")
    return Backup(path=path, manifest=manifest)


def all_backups(place: Path, store: Path) -> list[Backup]:
    """Return this store's finished backups in a directory, newest first."""
    found = []
    for manifest in place.glob(f"*.sqlite3*{MANIFEST_SUFFIX}") if place.is_dir() else []:
        try:
            backup = read(manifest.with_name(manifest.name.removesuffix(MANIFEST_SUFFIX)))
        except BackupError:
            continue  # one that is being removed, or was left half removed
        if Path(backup.manifest.store).name == store.name:
            found.append(backup)
    return sorted(found, key=lambda backup: backup.manifest.taken_at, reverse=True)


def prune(place: Path, store: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups of a store; return the removed ones. Raises OSError."""
    removed = []
    for backup in all_backups(place, store)[keep:]:
        manifest_path(backup.path).unlink()  # first: what has no manifest is no backup
        backup.path.unlink()
        removed.append(backup.path)
    return removed


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Let no other backup be made here in the block, and clear away what a failed or killed one left.

    Raises BackupError and OSError.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(place / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not flock.try_lock(descriptor):
            raise BackupError(f"Another backup is being made in {place}.")
        _remove_parts(place)
        try:
            yield
        finally:
            # At once: it may have failed because the disk is full, which the writer needs.
            _remove_parts(place)
    finally:
        os.close(descriptor)


def _remove_parts(place: Path) -> None:
    for part in place.glob(f"*{PART_SUFFIX}*"):
        part.unlink()
