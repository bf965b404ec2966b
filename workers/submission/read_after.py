"""How far the writer has come: read your own writes after a 202.

Writes are committed in the order of their ids, so a receipt with a higher id tells that a write is through.
A replica replays commits in the order in which they were made, so the same goes for the receipts that it has.
"""

import time
from enum import StrEnum

from django.db import DEFAULT_DB_ALIAS

from workers.event_loop.bells import new_bell
from workers.store import receipts, request_transaction
from workers.stream import redis_stream
from workers.stream.redis_client import shared_client
from workers.submission.progress import ProgressChannel

FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.005, 0.1
"""Pauses between looks at a replica, each twice as long as the last: it tells nobody what it replays."""


class Progress(StrEnum):
    """Where a write stands, for those who wait for it."""

    THROUGH = "through"
    """It has its outcome."""
    WAITING = "waiting"
    """It is still in the stream."""
    BEHIND = "behind"
    """It has its outcome, and the replica that is to be read does not have that yet."""
    UNKNOWN = "unknown"
    """No write with this id was ever accepted."""


def wait_until_committed(
    channel: ProgressChannel, write_id: int, seconds: float, *, reads_from: str = DEFAULT_DB_ALIAS
) -> Progress:
    """Wait until the write has its outcome in the database with this alias, within a limit.

    Only for an instant where the caller's own transaction keeps the writer out.
    Raises redis.RedisError and django.db.Error.
    """
    with request_transaction.left_for_writer() as can_commit:
        return _awaited(channel, write_id, seconds if can_commit else 0.0, reads_from)


def _awaited(channel: ProgressChannel, write_id: int, seconds: float, reads_from: str) -> Progress:
    is_elsewhere = reads_from != DEFAULT_DB_ALIAS
    if is_elsewhere and receipts.reached(write_id, using=reads_from):
        return Progress.THROUGH
    progress = _progress(write_id)
    deadline = time.monotonic() + seconds
    with channel.followed(write_id) as bell:
        while progress is Progress.WAITING and (remaining := deadline - time.monotonic()) > 0:
            bell.sleep(remaining)
            progress = _progress(write_id)
    if is_elsewhere and progress is Progress.THROUGH:
        return _wait_for_replica(write_id, deadline, reads_from)
    return progress


def _wait_for_replica(write_id: int, deadline: float, alias: str) -> Progress:
    # One that was sent twice has no receipt of this id, but one of a lower id. Where the store has no receipt
    # any more, it was committed longer ago than receipts are kept.
    last = min(write_id, receipts.last_write_id())
    bell, pause = new_bell(), FIRST_LOOK_SECONDS
    while last and not receipts.reached(last, using=alias):
        if (remaining := deadline - time.monotonic()) <= 0:
            return Progress.BEHIND
        bell.sleep(min(pause, remaining))
        pause = min(2 * pause, LONGEST_LOOK_SECONDS)
    return Progress.THROUGH


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
