"""Whether there is a backup to go back to."""

from pathlib import Path

from workers.backups import archive, snapshot
from workers.backups.archive import Backup
from workers.conf import settings
from workers.doctor.finding import Finding, ok, size, warning

OLD_HOURS = 7 * 24
"""Without a schedule: most people make one a day or a week."""


def examine(store: Path) -> Finding:
    """Say which backup is the newest."""
    place = archive.directory()
    try:
        backups = archive.all_backups(place, store, snapshot.identity_of(store))
    except OSError as exc:
        return warning("store.backup", f"{place} cannot be looked at: {exc}.", "Set WRITE_BACKUP_DIRECTORY.")
    return judge(place, backups, settings.WRITE_BACKUP_HOURS)


def judge(place: Path, backups: list[Backup], hours: float) -> Finding:
    """Say whether the newest backup is as new as it should be: from the schedule, twice its time."""
    name = "store.backup"
    if not backups:
        return warning(
            name,
            f"There is none in {place}. A plain copy of a store in use is not one.",
            "Run `manage.py backup`, or set WRITE_BACKUP_HOURS=24 so that the writer does.",
        )
    newest, limit = backups[0], 2 * hours or OLD_HOURS
    age = newest.age_seconds / 3600
    found = f"{newest.path.name} in {place}, {size(newest.manifest.size_bytes)}, {age:.1f} h old."
    if age > limit:
        hint = "Run `manage.py backup`. The writer's log says why it made none." if hours else ""
        return warning(name, found, hint or "Run `manage.py backup`, or set WRITE_BACKUP_HOURS=24.")
    return ok(name, found)
