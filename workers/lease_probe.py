"""Look at the lease without taking it."""

import fcntl
import os
from pathlib import Path


def is_held(path: Path) -> bool:
    """Return whether some process holds the lease. Raises OSError when the file may not be read.

    Asks for a shared lock and drops it at once. Unlike an attempt to take the lease this neither makes the
    file, which might then belong to the wrong user, nor wipes out who held it last.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
