"""The write-ahead log: its size, and moving it into the database. See https://www.sqlite.org/wal.html."""

from django.db import connection

from workers.store import pragmas, store_file


def size_bytes() -> int:
    """Return the size of the write-ahead log."""
    try:
        return store_file.log_path(store_file.path()).stat().st_size
    except FileNotFoundError:
        return 0


def checkpoint() -> bool:
    """Move the log into the database and empty it; return whether all of it was moved.

    Never waits for a reader: what one still needs stays in the log until the next time. To be called by
    the lease's holder only, outside a transaction. See https://www.sqlite.org/pragma.html#pragma_wal_checkpoint.
    """
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy, _, _ = cursor.fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {pragmas.WRITER_BUSY_MILLISECONDS}")
    return not busy
