"""How long the writer waits between batches: plain numbers in, plain numbers out.

The interval follows the load: three times as long as the last batch took, so that the writer is at work for a
third of the time and a write waits for about one batch of others; up to a limit, where commits are slow.

Committing at once whatever is there wakes waiting requests for every tiny batch, and those wake-ups eat the
CPU that new requests need. A short pause while there is load makes batches larger and everybody faster. A
lone write finds no pause.
"""

INTERVAL_PER_BATCH = 3.0
"""The interval from read to read, in terms of the time that the batch took. Shorter ones wake the web
processes more often, longer ones leave them idle; between 3 and 12 ms, at 64 connections, all were equal."""


def pause_seconds(*, batch_size: int, batch_limit: int, most_seconds: float, elapsed_seconds: float) -> float:
    """Return how long to wait before the next read.

    `elapsed_seconds` is the time since the last batch was read, `most_seconds` the longest interval from one
    read to the next. A full batch means a backlog, which is drained at full speed; a batch of one means a
    client alone, who must not wait.
    """
    if batch_size <= 1 or batch_size >= batch_limit:
        return 0.0
    return max(0.0, min(most_seconds, INTERVAL_PER_BATCH * elapsed_seconds) - elapsed_seconds)
