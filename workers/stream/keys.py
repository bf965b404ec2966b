"""The names of the write path's keys and channels in Redis, under one prefix for each project."""

from workers.conf import settings


def stream() -> str:
    """Accepted writes, in order, until they are committed."""
    return f"{settings.WRITE_KEY_PREFIX}:stream"


def owner() -> str:
    """Whose writes the stream holds: `store`, `path` and `host` of one store."""
    return f"{settings.WRITE_KEY_PREFIX}:owner"


def last_write_id() -> str:
    """The id given last; keeps ids growing when the stream is empty or the clock goes back."""
    return f"{settings.WRITE_KEY_PREFIX}:last"


def doorbell() -> str:
    """Set while somebody has rung for the writer, or the writer is at the stream anyway."""
    return f"{settings.WRITE_KEY_PREFIX}:doorbell"


def heartbeat() -> str:
    """Who the writer is; expires when the writer makes no progress."""
    return f"{settings.WRITE_KEY_PREFIX}:writer"


def standbys() -> str:
    """Who waits for the lease; expires when nobody does."""
    return f"{settings.WRITE_KEY_PREFIX}:standbys"


def stream_bytes() -> str:
    """How many bytes of payload the stream holds."""
    return f"{settings.WRITE_KEY_PREFIX}:bytes"


def rate() -> str:
    """How many writes per second the writer can commit; expires when it has not been busy lately."""
    return f"{settings.WRITE_KEY_PREFIX}:rate"


def measured_totals() -> str:
    """What all writers have counted and timed so far."""
    return f"{settings.WRITE_KEY_PREFIX}:measures"


def measured_slot(begins_at: str) -> str:
    """The same of a few seconds, named for the second at which they begin; expires."""
    return f"{settings.WRITE_KEY_PREFIX}:measures:{begins_at}"


def measured_by(writer: str) -> str:
    """The number of one writer's last delivery of them, by which a repeated one is known; expires."""
    return f"{settings.WRITE_KEY_PREFIX}:measured-by:{writer}"


def pause() -> str:
    """Asks the writer to give the lease back for a while."""
    return f"{settings.WRITE_KEY_PREFIX}:pause"


def cancelled() -> str:
    """Ids of waiting writes that are not to be applied any more."""
    return f"{settings.WRITE_KEY_PREFIX}:cancelled"


def share(client: str) -> str:
    """Who has the share of a client as a whole."""
    return f"{settings.WRITE_KEY_PREFIX}:share:{client}"


def claims() -> str:
    """Prefix of the claims on idempotency keys whose writes wait in the stream."""
    return f"{settings.WRITE_KEY_PREFIX}:key:"


def outcomes(process: str) -> str:
    """Channel on which one web process learns the outcomes it waits for."""
    return f"{settings.WRITE_KEY_PREFIX}:outcomes:{process}"


def progress() -> str:
    """Channel that announces, after each batch, the last write id that has a receipt."""
    return f"{settings.WRITE_KEY_PREFIX}:progress"
