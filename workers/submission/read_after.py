"""How far the writer has come: read your own writes after a 202.

Writes are committed in the order of their ids, so a receipt with a higher id tells that a write is through.
"""

import time
from enum import StrEnum

from workers.store import receipts
from workers.stream import keys, redis_stream
from workers.stream.redis_client import connect, shared_client


class Progress(StrEnum):
    """Where a write stands, for those who wait for it."""

    THROUGH = "through"
    """It has its outcome."""
    WAITING = "waiting"
    """It is still in the stream."""
    UNKNOWN = "unknown"
    """No write with this id was ever accepted."""


def wait_until_committed(write_id: int, seconds: float) -> Progress:
    """Wait until the write has its outcome, within a limit. Raises redis.RedisError."""
    progress = _progress(write_id)
    if progress is not Progress.WAITING:
        return progress
    deadline = time.monotonic() + seconds
    with connect(timeout_seconds=max(1.0, seconds)) as client, client.pubsub() as pubsub:
        pubsub.subscribe(keys.progress())
        while (remaining := deadline - time.monotonic()) > 0:
            message = pubsub.get_message(timeout=remaining)
            if message is None:
                break
            # After the subscription is confirmed nothing is missed; before, the batch may have passed.
            passed = int(message["data"]) >= write_id if message["type"] == "message" else False
            if passed or (message["type"] == "subscribe" and _progress(write_id) is Progress.THROUGH):
                return Progress.THROUGH
    return _progress(write_id)


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
