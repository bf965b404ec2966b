"""How far the writer has come: read your own writes after a 202.

Writes are committed in the order of their ids, so a receipt with a higher id tells that a write is through.
"""

import time
from enum import StrEnum

from workers.store import receipts
from workers.stream import redis_stream
from workers.stream.redis_client import shared_client
from workers.submission.progress import ProgressChannel


class Progress(StrEnum):
    """Where a write stands, for those who wait for it."""

    THROUGH = "through"
    """It has its outcome."""
    WAITING = "waiting"
    """It is still in the stream."""
    UNKNOWN = "unknown"
    """No write with this id was ever accepted."""


def wait_until_committed(channel: ProgressChannel, write_id: int, seconds: float) -> Progress:
    """Wait until the write has its outcome, within a limit. Raises redis.RedisError."""
    progress = _progress(write_id)
    deadline = time.monotonic() + seconds
    with channel.followed(write_id) as bell:
        while progress is Progress.WAITING and (remaining := deadline - time.monotonic()) > 0:
            bell.sleep(remaining)
            progress = _progress(write_id)
    return progress


def _progress(write_id: int) -> Progress:
    if receipts.reached(write_id):
        return Progress.THROUGH
    client = shared_client()
    if redis_stream.find(client, write_id) is not None:
        return Progress.WAITING
    if write_id > redis_stream.last_write_id(client):
        return Progress.UNKNOWN
    # It left the stream since the receipts were read, or it was a second copy that needs no receipt.
    return Progress.THROUGH
