"""What is said when the store's file itself cannot be used, in place of a traceback."""

import sqlite3

from django.conf import settings
from django.db import DatabaseError

_HINTS = {
    sqlite3.SQLITE_CANTOPEN: "A directory may be in its place, or its own directory may not be writable.",
    sqlite3.SQLITE_READONLY: "Make the file and its directory writable for this user (chown, chmod u+rw).",
    sqlite3.SQLITE_PERM: "Make the file and its directory writable for this user (chown, chmod u+rw).",
    sqlite3.SQLITE_NOTADB: "Another file is in its place: move it away, or set another DATA_DIR.",
    sqlite3.SQLITE_CORRUPT: "Stop the service and restore a backup.",
    sqlite3.SQLITE_FULL: "Make room on its disk.",
    sqlite3.SQLITE_IOERR: "Look for a full or failing disk.",
}


def in_one_line(exc: DatabaseError) -> str | None:
    """Return what is wrong with the store's file and what helps, or None when the error is not the file's."""
    code = getattr(exc.__cause__, "sqlite_errorcode", None)
    hint = _HINTS.get(code & 0xFF) if isinstance(code, int) else None
    if hint is None:
        return None
    return f"{settings.DATABASES['default']['NAME']} cannot be used as the store: {exc}. {hint}"
