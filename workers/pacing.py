"""How long the writer waits between batches: plain numbers in, plain numbers out.

Committing at once whatever is there wakes waiting requests for every tiny batch, and those wake-ups eat the
CPU that new requests need. A short pause while there is load makes batches larger and everybody faster. A
lone write finds no pause.
"""


def pause_seconds(
    *, batch_size: int, batch_limit: int, interval_seconds: float, elapsed_seconds: float
) -> float:
    """Return how long to wait before the next read.

    `elapsed_seconds` is the time since the last batch was read. A full batch means a backlog, which is
    drained at full speed; a batch of one means a client alone, who must not wait.
    """
    if batch_size <= 1 or batch_size >= batch_limit:
        return 0.0
    return max(0.0, interval_seconds - elapsed_seconds)
