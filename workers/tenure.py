"""A process's time as the writer: it begins with the lease and ends with it."""

import logging
from functools import cache, cached_property

import redis
from django.db import connections

from workers import pauses
from workers.connections import connect
from workers.lease import Lease
from workers.roles import Role, set_role
from workers.writer import REPLY_SECONDS, Writer

logger = logging.getLogger(__name__)


@cache
def _client() -> redis.Redis:
    return connect(timeout_seconds=REPLY_SECONDS)


class Tenure:
    """Begins when nobody else holds the lease and nobody asks for a pause. Ends on request, and at death."""

    def __init__(self) -> None:
        self.writer: Writer | None = None

    @cached_property
    def lease(self) -> Lease:
        return Lease()

    def try_begin(self) -> bool:
        """Return whether this process is the writer now. Raises redis.RedisError."""
        if self.writer is not None and not self.lease.is_intact():
            # Somebody deleted the file, so that a second writer could begin beside this one.
            logger.error("writer state=lease-lost lease=%s", self.lease.path)
            self.end(reason="lease-lost")
        if self.writer is not None:
            return True
        if pauses.requested(_client()) is not None or not self.lease.try_acquire(purpose="writer"):
            return False
        set_role(Role.WRITER)
        connections.close_all()  # whatever was opened before could only read
        self.writer = Writer()
        logger.warning("writer state=holds-lease lease=%s", self.lease.path)
        return True

    def end(self, *, reason: str) -> None:
        """Stop writing, say so, and give the lease back."""
        if self.writer is None:
            return
        writer, self.writer = self.writer, None
        try:
            writer.retire()
        except redis.RedisError as exc:
            logger.warning("writer state=ended heartbeat=not-removed error=%s", exc)
        set_role(Role.WEB)
        self.lease.release()
        logger.warning("writer state=gave-lease-back reason=%s", reason)
