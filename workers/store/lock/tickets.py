"""Tickets: the order in which processes asked for the store lock, kept by the kernel.

A ticket is one locked byte of the lock's file, at the offset that is the time of asking. Whoever waits asks
for all bytes before its own, and sleeps in the kernel until they are free. The locks belong to an open file
description, so they vanish with the process that made it, however it ends, and nobody has to tidy up.
See "Open file description locks" in fcntl(2). The clock is one for all processes: CLOCK_MONOTONIC.
"""

import errno
import fcntl
import os
import struct
import sys
import time

_FLOCK = struct.Struct("@hhqqi4x")
"""`struct flock` of 64-bit systems: type, whence, start, length, pid."""

_NUMBER = struct.Struct("<q")

IS_SUPPORTED = sys.platform == "linux" and sys.maxsize > 2**32
"""Elsewhere the lock itself decides who is next, and in what order is up to the system."""

START = 1024
"""Where the lock's file keeps the oldest ticket that counts."""


def take(descriptor: int, *, former: int | None = None) -> int:
    """Queue behind all who have a ticket, and return one's own.

    `former`: a ticket that one had before. Its place is taken again, unless that was passed over, or somebody
    looks at it just now who comes next.
    """
    counts = former is not None and IS_SUPPORTED and former >= _start(descriptor)
    if former is not None and counts and _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, former, 1):
        return former
    while True:
        ticket = time.monotonic_ns()
        if not IS_SUPPORTED or _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, ticket, 1):
            return ticket


def drop(descriptor: int, ticket: int) -> None:
    """Leave the queue."""
    if IS_SUPPORTED:
        _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, ticket, 1)


def drop_all(descriptor: int) -> None:
    """Leave the queue with whatever this descriptor has in it."""
    if IS_SUPPORTED:
        _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0, 0)


def age(ticket: int) -> float:
    """Return how long ago it was taken, in seconds."""
    return (time.monotonic_ns() - ticket) / 1e9


def is_waiting(descriptor: int, *, before: int | None = None, for_seconds: float = 0.0) -> bool:
    """Return whether another process has a ticket: one older than `before`, taken so long ago at least."""
    if not IS_SUPPORTED:
        return False
    start = _start(descriptor)
    end = time.monotonic_ns() - int(for_seconds * 1e9) if before is None else before
    if end <= start:
        return False
    wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
    found: int = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, wanted))[0]
    return found != fcntl.F_UNLCK


def wait(descriptor: int, ticket: int) -> None:
    """Sleep until no other process has an older ticket. Cannot be interrupted."""
    start = _start(descriptor) if IS_SUPPORTED else ticket
    if start < ticket:
        _set(descriptor, fcntl.F_OFD_SETLKW, fcntl.F_RDLCK, start, ticket - start)
        # At once: whoever asks next needs these bytes only to see that they are free.
        _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, start, ticket - start)


def pass_over(descriptor: int, ticket: int) -> None:
    """Let nobody wait any more for those whose tickets are older than this one."""
    os.pwrite(descriptor, _NUMBER.pack(ticket), START)


def lock_range(descriptor: int, start: int, length: int) -> bool:
    """Return whether these bytes of a file are this descriptor's alone now; True where none can tell."""
    return not IS_SUPPORTED or _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, start, length)


def _start(descriptor: int) -> int:
    """Return the oldest ticket that counts."""
    found = os.pread(descriptor, _NUMBER.size, START)
    start: int = _NUMBER.unpack(found)[0] if len(found) == _NUMBER.size else 0
    # The clock begins anew when the machine does.
    return start if start <= time.monotonic_ns() else 0


def _set(descriptor: int, command: int, kind: int, start: int, length: int) -> bool:
    try:
        fcntl.fcntl(descriptor, command, _FLOCK.pack(kind, os.SEEK_SET, start, length, 0))
    except OSError as exc:
        if exc.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
