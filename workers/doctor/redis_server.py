"""Redis: whether what it accepted survives, and whether it still accepts."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import redis

from workers.conf import settings
from workers.doctor.finding import Finding, error, ok, size, warning
from workers.redis_address import names_sentinels
from workers.service_settings import place

OLDEST_VERSION = (6, 2)

SKEW_SECONDS = 1.0

FULL_SHARE, NEARLY_FULL_SHARE = 0.95, 0.80

OPTIONS = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy")

Options = Mapping[str, str]


def examine(client: redis.Redis) -> Iterator[Finding]:
    """Yield what Redis says of itself. Raises redis.RedisError when it does not respond."""
    yield judge_clock(skew_seconds(client))
    try:
        info: dict[str, Any] = client.info()
    except redis.ResponseError as exc:
        yield warning(
            "redis.info", f"INFO is not permitted: {exc}", "Allow this user INFO (ACL SETUSER +info)."
        )
        return
    yield judge_version(str(info.get("redis_version", "0")), valkey=str(info.get("valkey_version", "")))
    options = read_options(client)
    if options is None:
        yield warning(
            "redis.config",
            "CONFIG GET is not permitted, so appendfsync cannot be seen; it may lose accepted writes.",
            "Make sure that it is `always`, or allow this user `config|get` (Redis 7) or `config`.",
        )
        options = {
            "appendonly": "yes" if info.get("aof_enabled") else "no",
            "maxmemory-policy": str(info.get("maxmemory_policy", "")),
        }
    yield from judge_persistence(options)
    yield judge_log_state(info)
    yield judge_eviction(options.get("maxmemory-policy", ""), int(info.get("maxmemory", 0)))
    yield judge_memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))
    yield judge_replicas(
        int(info.get("connected_slaves", 0)),
        wanted=settings.WRITE_ACCEPT_REPLICAS,
        fails_over=names_sentinels(place.REDIS_URL),
    )


def read_options(client: redis.Redis) -> Options | None:
    """Return the options that matter, or None when Redis does not tell."""
    options: dict[str, str] = {}
    try:
        for name in OPTIONS:  # one by one: Redis 6.2 takes one pattern only
            reply: dict[Any, Any] = client.config_get(name)
            options |= {str(option): str(value) for option, value in reply.items()}
    except redis.ResponseError:
        return None
    return options


def skew_seconds(client: redis.Redis) -> float:
    """Return how far Redis's clock is ahead of this machine's; 0 within what the round trip hides."""
    before = time.time()
    seconds, microseconds = client.time()
    after = time.time()
    skew = seconds + microseconds / 1e6 - (before + after) / 2
    uncertainty = (after - before) / 2
    return 0.0 if abs(skew) <= uncertainty else skew


def judge_clock(skew: float) -> Finding:
    """Say whether times of both machines can be compared."""
    name = "redis.clock"
    if abs(skew) <= SKEW_SECONDS:
        return ok(name, f"Within {SKEW_SECONDS:g} s of this machine's.")
    return warning(
        name,
        f"Redis's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's: times of "
        "acceptance and the limits of pauses are off by as much. The order of writes is not affected.",
        "Let both machines keep their clocks by NTP.",
    )


def judge_version(text: str, *, valkey: str = "") -> Finding:
    """Say whether this Redis knows the commands that the write path uses.

    Valkey has a version of its own, and says beside it which Redis it is compatible with.
    """
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if version < OLDEST_VERSION:
        return error("redis.version", f"Redis {text} is too old.", "Use Redis 6.2 or newer, or Valkey.")
    return ok(
        "redis.version", f"Valkey {valkey}, compatible with Redis {text}." if valkey else f"Redis {text}."
    )


def judge_persistence(options: Options) -> Iterator[Finding]:
    """Say what a crash of Redis or of its machine can lose. An option that is missing is not judged."""
    name = "redis.persistence"
    if options["appendonly"] != "yes":
        yield error(
            name,
            "appendonly=no: a restart of Redis loses the accepted writes that are not committed yet.",
            "Set `appendonly yes` and `appendfsync always` in redis.conf; CONFIG SET does it at once.",
        )
        return
    always = "Set `appendfsync always` in redis.conf; CONFIG SET does it at once."
    match options.get("appendfsync"):
        case "always":
            yield ok(name, "appendonly=yes appendfsync=always: an accepted write is on disk.")
        case "everysec":
            yield warning(
                name,
                "appendfsync=everysec: a power loss can lose the writes accepted in the last second or two "
                "and not committed yet, and so can a mere kill of Redis while its disk is slow.",
                always,
            )
        case "no":
            yield error(
                name,
                "appendfsync=no: a power loss can lose accepted writes of the last half minute or more.",
                always,
            )
    if options.get("no-appendfsync-on-rewrite") == "yes":
        yield warning(
            "redis.rewrite",
            "no-appendfsync-on-rewrite=yes: while Redis rewrites its log, accepted writes are not on disk.",
            "Set `no-appendfsync-on-rewrite no` in redis.conf; CONFIG SET does it at once.",
        )


def judge_log_state(info: Mapping[str, Any]) -> Finding:
    """Say whether Redis could write its log."""
    name, state = "redis.log", str(info.get("aof_last_write_status", "ok"))
    rewrite = str(info.get("aof_last_bgrewrite_status", "ok"))
    if state != "ok":
        return error(
            name,
            f"The last write to the append-only file failed ({state}): Redis refuses new writes.",
            "Make room on Redis's disk; it goes on by itself.",
        )
    if rewrite != "ok":
        return warning(
            name,
            f"The last rewrite of the append-only file failed ({rewrite}): it grows without bound.",
            "Look at Redis's log: its disk or its memory is short. On Linux set vm.overcommit_memory=1.",
        )
    return ok(name, "The append-only file is being written.")


def judge_eviction(policy: str, limit: int) -> Finding:
    """Say whether Redis would drop accepted writes when its memory is full."""
    name = "redis.eviction"
    if policy == "noeviction":
        return ok(name, "maxmemory-policy=noeviction: nothing accepted is dropped.")
    hint = "Set `maxmemory-policy noeviction` in redis.conf; CONFIG SET does it at once."
    found = f"maxmemory-policy={policy or 'unknown'}: Redis drops keys"
    if limit:
        return error(name, f"{found} when its {size(limit)} are full, accepted writes among them.", hint)
    return warning(name, f"{found} once a maxmemory is set; there is none now.", hint)


def judge_memory(used: int, limit: int) -> Finding:
    """Say how much room Redis has for more writes."""
    name = "redis.memory"
    if not limit:
        return ok(name, f"{size(used)} used, no limit but the machine's; see WRITE_STREAM_MAX_LENGTH.")
    share, found = used / limit, f"{size(used)} of {size(limit)} used ({used / limit:.0%})."
    hint = "Raise maxmemory, or let the writer catch up; see `manage.py writer_status`."
    if share >= FULL_SHARE:
        return error(name, found + " Past it new writes get 503.", hint)
    if share >= NEARLY_FULL_SHARE:
        return warning(name, found, hint)
    return ok(name, found)


def judge_replicas(connected: int, *, wanted: int, fails_over: bool) -> Finding:
    """Say whether a fail-over can lose accepted writes."""
    name = "redis.replicas"
    if connected < wanted:
        return error(
            name,
            f"{connected} replicas of {wanted} (WRITE_ACCEPT_REPLICAS): writes get 503, unless their outcome "
            "is waited for and comes in time.",
            "Start the replicas that are away, or lower WRITE_ACCEPT_REPLICAS.",
        )
    if fails_over and not wanted:
        return warning(
            name,
            "The next master may lack the writes that were accepted last: a fail-over can lose them.",
            "Set WRITE_ACCEPT_REPLICAS=1; docs/redis.md has its price.",
        )
    return ok(name, f"{connected} replicas; {wanted} of them have each accepted write.")
