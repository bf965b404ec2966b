"""The write path at work: the stream, the writer, the lease, and who asks for a pause."""

import time
from collections.abc import Iterator

import redis
from django.db import Error

from workers.conf import settings
from workers.doctor.finding import Finding, Level, error, ok, warning
from workers.encoding import counts
from workers.encoding.counts import counted
from workers.encoding.times import utc_text
from workers.exceptions import StoreNotReady
from workers.store.holder import Holder
from workers.store.lease import held_by, of_store
from workers.store.opening import lock_holder
from workers.stream import heartbeat, keys, ownership, pauses, redis_stream
from workers.stream.heartbeat import WriterState
from workers.stream.pauses import Pause

NEARLY_FULL_SHARE = 0.80

HANDOVER_SECONDS = heartbeat.LIFE_SECONDS + 0.5
"""How long a heartbeat can outlive its writer; until then it may disagree with the lease."""

LOOK_SECONDS = 0.1

NO_WRITER = "Start one: `manage.py up`, or the Celery worker of this project."


def examine(client: redis.Redis) -> Iterator[Finding]:
    """Yield what the write path shows. Raises redis.RedisError."""
    whose = _judge_owner(client)
    yield whose
    if whose.level is Level.ERROR:
        return  # all that follows would be told of another store
    pause = pauses.requested(client)
    waiting = redis_stream.length(client)
    yield from judge_pause(pause, now=time.time())
    yield from _writer_and_lease(client, pause, waiting)
    yield judge_stream(waiting, redis_stream.oldest_age_seconds(client))


def _judge_owner(client: redis.Redis) -> Finding:
    """Say whether the stream is this store's."""
    name = "stream.owner"
    try:
        if ownership.is_of_another_store(client):
            return error(name, ownership.describe(client), "Do one of the two. New writes get 503.")
        return ok(name, f"{keys.stream()} is the stream of this store.")
    except StoreNotReady as exc:
        return error(name, str(exc), "Run `manage.py migrate`.")


def _writer_and_lease(client: redis.Redis, pause: Pause | None, waiting: int) -> Iterator[Finding]:
    """Yield both together; where they disagree, only after a writer that died had time to be forgotten."""
    deadline = time.monotonic() + HANDOVER_SECONDS
    while True:
        writer = heartbeat.read(client)
        held, holder = _look_at_lease()
        lease = judge_lease(held, holder, writer)
        if not disagree(held, holder, writer) or time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    yield judge_writer(writer, is_paused=pause is not None, waiting=waiting)
    yield lease


def lease_without_redis() -> Finding:
    """Say who holds the lease while nothing is known of a heartbeat."""
    held, holder = _look_at_lease()
    if held is None:
        return judge_lease(held, holder, None)
    return ok("lease", f"Held by {_who(holder)}." if held else "Free: no worker is the writer.")


def _look_at_lease() -> tuple[bool | None, Holder | None]:
    """Return whether the lease is held, None when it cannot be looked at, and who took it."""
    try:
        return held_by() is not None, of_store().holder()
    except (OSError, Error):
        return None, None


def disagree(held: bool | None, holder: Holder | None, writer: WriterState | None) -> bool:
    """Return whether the heartbeat is of another process than the lease's holder."""
    if writer is None or held is None:
        return False
    return not held or holder is None or holder.pid != writer.pid


def judge_pause(pause: Pause | None, *, now: float) -> Iterator[Finding]:
    """Say who keeps the writer from its work."""
    if pause is not None:
        yield warning(
            "writer.pause",
            f"{pause.by} asks for a pause, until {utc_text(pause.until)} at the latest "
            f"(in {max(0.0, pause.until - now):.0f} s). Writes are accepted and wait.",
            "`manage.py resume` ends it.",
        )


def judge_writer(writer: WriterState | None, *, is_paused: bool, waiting: int) -> Finding:
    """Say whether somebody commits."""
    name = "writer"
    if writer is None and is_paused:
        return ok(name, f"Paused; {counted(waiting, 'write waits', 'writes wait')}.")
    if writer is None:
        return error(name, f"No writer is at work; {counts.waiting(waiting)}.", NO_WRITER)
    committed = f"{counted(writer.writes, 'write')} in {counted(writer.commits, 'transaction')}"
    found = f"pid {writer.pid} on {writer.host}, {committed}."
    if writer.error:
        return error(
            name,
            f"{found} It cannot commit now: {writer.error}",
            "Remove the cause; the writer tries again by itself. See disk.space and store.lock above.",
        )
    return ok(name, found)


def judge_lease(held: bool | None, holder: Holder | None, writer: WriterState | None) -> Finding:
    """Say who is the writer, and whether that is who says it is."""
    name, who = "lease", _who(holder)
    if held is None:
        return warning(name, "It may not be looked at.", "Run this as the user who runs the service.")
    if writer is not None and disagree(held, holder, writer):
        return error(
            name,
            f"Held by {who if held else 'nobody'}; the writer says it is pid {writer.pid} on {writer.host}. "
            "Two services share Redis's keys, or the lease's file was deleted.",
            "Give each service a store and a REDIS_URL or WRITE_KEY_PREFIX of its own; restart the writer.",
        )
    if not held:
        return ok(name, f"Free. {who} died with it." if holder else "Free.")
    if writer is None:
        return warning(
            name,
            f"Held by {who}, which shows no progress: it is starting, busy with one long write, or frozen.",
            "If it stays so, kill that process: a standby takes over within a second.",
        )
    return ok(name, f"Held by {who}.")


def look_at_lock() -> Finding:
    """Say who writes the store now, and whether that keeps others waiting for too long."""
    try:
        return judge_lock(lock_holder())
    except OSError:
        return warning("store.lock", "It may not be looked at.", "Run this as the user who runs the service.")


def judge_lock(holder: Holder | None) -> Finding:
    """Say whether somebody keeps the store lock for long, or is stopped with it."""
    if holder is None:
        return ok("store.lock", "Free: nobody writes at this moment.")
    if holder.is_in_the_way:
        found = f"Held by {holder}, for {holder.held_seconds:.0f} s: nobody else can write."
        return warning("store.lock", found, holder.hint)
    return ok("store.lock", f"Held by {holder}.")


def _who(holder: Holder | None) -> str:
    return str(holder or Holder.unknown())


def judge_stream(length: int, oldest_age_seconds: float | None) -> Finding:
    """Say whether the writer keeps up."""
    name, limit = "stream", settings.WRITE_STREAM_MAX_LENGTH
    age = oldest_age_seconds or 0.0
    found = f"{length} of at most {limit} writes wait" + (f", the oldest for {age:.1f} s." if length else ".")
    hint = "See the writer above. If it works, give it a faster disk, or lower the load."
    if length >= limit:
        return error(name, f"{found} New writes get 503.", hint)
    if age > settings.WRITE_READY_OLDEST_SECONDS:
        return error(name, f"{found} /health/ready responds with 503.", hint)
    if length >= limit * NEARLY_FULL_SHARE:
        return warning(name, found, hint)
    return ok(name, found)
