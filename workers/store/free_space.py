"""The room on the store's disk: a full one stops the writer, so it is said before."""

import shutil
from pathlib import Path

from django.db import connections

from workers.store import pragmas, store_file

LOW_BYTES, LOW_SHARE = 1024 * pragmas.MIB, 0.10
FULL_BYTES = 100 * pragmas.MIB


def is_low(free: int, total: int) -> bool:
    """Return whether so many free bytes of so many are few."""
    return free < LOW_BYTES or free < total * LOW_SHARE


def warning() -> str | None:
    """Return what to say while the disk of the default store is nearly full; None while it is not."""
    if connections["default"].vendor != "sqlite":
        return None
    directory: Path = store_file.path().parent
    try:
        usage = shutil.disk_usage(directory)
    except OSError as exc:
        return f"{directory} cannot be looked at: {exc}."
    if not is_low(usage.free, usage.total):
        return None
    return (
        f"{directory} has {usage.free // pragmas.MIB} MiB free of {usage.total // pragmas.MIB}. The writer "
        "stops when it is full, and accepted writes then wait."
    )
