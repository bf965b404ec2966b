"""The store lock in the hands of somebody else."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.test import override_settings

from workers.store import opening


@contextmanager
def store_held_by_another() -> Iterator[None]:
    """Have writes of the block wait in vain, and not for long."""
    lock = opening.store_lock()
    assert lock is not None
    lock.acquire("another", seconds=10)
    try:
        with override_settings(WRITE_LOCK_WAIT_SECONDS=0.1):
            yield
    finally:
        lock.release()
