"""The directory of the backups: their names, their manifests, and which are kept."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workers.conf import settings
from workers.exceptions import WritePathError
from workers.store import flock, private_files, store_file

MANIFEST_SUFFIX = ".json"
PART_SUFFIX = ".part"
COMPRESSED_SUFFIX = ".gz"
LOCK_NAME = ".lock"

LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""Of what can be shown as a date."""


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
    """Put the manifest beside its backup, which belongs to the same user. Raises OSError."""
    place = manifest_path(path)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as file:
        json.dump(asdict(manifest), file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(PermissionError):
        private_files.own_as(path, place)


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name + MANIFEST_SUFFIX)


def read(path: Path) -> Backup:
    """Return the backup in this file. Raises BackupError when it is none."""
    place = manifest_path(path)
    try:
        manifest = _manifest_of(json.loads(place.read_text()))
    except FileNotFoundError as exc:
        hint = "A copied file without one cannot be verified."
        raise BackupError(f"{path} has no manifest beside it ({place.name}). {hint}") from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BackupError(f"{place} is not the manifest of a backup: {exc!r}.") from exc
    if not path.is_file():
        raise BackupError(f"{path} is not there, but its manifest is.")
    return Backup(path=path, manifest=manifest)


def _manifest_of(content: Any) -> Manifest:
    """Return the manifest that was written so. Raises ValueError, KeyError and TypeError when it is none."""
    manifest = Manifest(**{field.name: content[field.name] for field in fields(Manifest)})
    numbers = (manifest.taken_at, manifest.seconds, manifest.size_bytes, manifest.store_bytes)
    texts = (manifest.identity, manifest.store, manifest.sha256, *manifest.rows)
    # Whoever reads it goes by these types, the writer's own schedule too.
    if not all(type(number) in (int, float) for number in (*numbers, *manifest.rows.values())):
        raise TypeError("a number is none")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if not 0 <= manifest.taken_at < LATEST:
        raise ValueError("its time is none")
    return manifest


def all_backups(place: Path, store: Path, identity: str | None = None) -> list[Backup]:
    """Return the finished backups of stores of this name in a directory, newest first.

    `identity`: of this store alone. Several services may keep theirs in one directory.
    """
    found = []
    for manifest in place.glob(f"*.sqlite3*{MANIFEST_SUFFIX}") if place.is_dir() else []:
        try:
            backup = read(manifest.with_name(manifest.name.removesuffix(MANIFEST_SUFFIX)))
        except BackupError:
            continue  # one that is being removed, or was left half removed
        if Path(backup.manifest.store).name == store.name and identity in (None, backup.manifest.identity):
            found.append(backup)
    return sorted(found, key=lambda backup: backup.manifest.taken_at, reverse=True)


def prune(newest: Backup, keep: int) -> list[Path]:
    """Remove all but the newest backups of the store that this one is of; return the removed ones.

    Raises OSError.
    """
    removed, manifest = [], newest.manifest
    for backup in all_backups(newest.path.parent, Path(manifest.store), manifest.identity)[keep:]:
        manifest_path(backup.path).unlink()  # first: what has no manifest is no backup
        backup.path.unlink()
        removed.append(backup.path)
    return removed


def part_path(place: Path, store: Path) -> Path:
    """Return where a backup is made."""
    return place / f"{store.name}{PART_SUFFIX}"


@contextmanager
def locked(place: Path, store: Path) -> Iterator[None]:
    """Let no other backup be made here in the block, and clear away what a failed or killed one left.

    Raises BackupError and OSError.
    """
    if not place.is_dir():
        place.mkdir(mode=0o700, parents=True)
        _give(place, owner_of=store)  # root may be the first one to need it
    descriptor = os.open(place / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give(place / LOCK_NAME, owner_of=place)
        if not flock.try_lock(descriptor):
            raise BackupError(f"Another backup is being made in {place}.")
        _remove_parts(place, store)
        try:
            yield
        finally:
            # At once: it may have failed because the disk is full, which the writer needs.
            _remove_parts(place, store)
    finally:
        os.close(descriptor)


def _give(path: Path, *, owner_of: Path) -> None:
    with suppress(PermissionError):  # who is not root keeps what he makes
        private_files.own_as(owner_of, path)


def _remove_parts(place: Path, store: Path) -> None:
    # By their whole names: the directory may hold what is somebody else's.
    part = part_path(place, store)
    for suffix in (*private_files.SUFFIXES, COMPRESSED_SUFFIX):
        part.with_name(part.name + suffix).unlink(missing_ok=True)


@contextmanager
def scratch(place: Path, store: Path) -> Iterator[Path]:
    """Give a directory beside the backups, which goes with the block, or after a kill with the next one.

    Raises OSError.
    """
    prefix = f".{store.name}.scratch-"
    for former in place.glob(f"{prefix}*"):
        with _locked_directory(former) as is_left:
            if is_left:
                shutil.rmtree(former)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as made, _locked_directory(Path(made)):
        yield Path(made)


@contextmanager
def _locked_directory(directory: Path) -> Iterator[bool]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield flock.try_lock(descriptor)
    finally:
        os.close(descriptor)
