"""The PostgreSQL store: whether what it commits survives, and what will be in the way of the writer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from workers.doctor.finding import Finding, error, info, ok, warning
from workers.service_settings import place
from workers.store import replica

OLDEST_VERSION = 14
"""What Django 5.2 needs."""

LONG_SECONDS = 60.0
"""A transaction that is open for longer keeps the server from clearing away what was deleted."""

FULL_SHARE = 0.80

OTHER_CONNECTIONS = 10
"""For the writer, a standby, commands, and what the server reserves for superusers."""

DEAD_ROWS, DEAD_SHARE = 100_000, 0.5

NAMES = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "default_transaction_isolation",
    "max_connections",
)

LONG = (
    "SELECT pid, application_name, extract(epoch FROM now() - xact_start) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND xact_start < now() - %s * interval '1 s' ORDER BY xact_start LIMIT 1"
)
REPLICAS = (
    "SELECT coalesce(nullif(application_name, ''), client_addr::text, 'a replica'), sync_state, "
    "extract(epoch FROM replay_lag) FROM pg_stat_replication ORDER BY 1"
)
DEAD = (
    "SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_user_tables "
    "WHERE n_dead_tup > %s AND n_dead_tup > n_live_tup * %s ORDER BY n_dead_tup DESC LIMIT 1"
)
"""See https://www.postgresql.org/docs/current/monitoring-stats.html."""


def examine() -> Iterator[Finding]:
    """Yield what the server says of itself."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("store", _role),
        ("store.version", lambda: judge_version(connections["default"].pg_version)),  # type: ignore[attr-defined]  # of PostgreSQL's wrapper
        ("store.durability", lambda: judge_durability(_settings())),
        ("store.isolation", lambda: judge_isolation(_settings()["default_transaction_isolation"])),
        ("store.migrations", migrations),
        ("store.connections", _connections),
        ("store.transactions", lambda: judge_transactions(_rows(LONG, LONG_SECONDS))),
        ("store.replicas", lambda: judge_replicas(_rows(REPLICAS))),
        *([("store.read_replica", _read_replica)] if replica.is_used() else []),
        ("store.dead_rows", lambda: judge_dead_rows(_rows(DEAD, DEAD_ROWS, DEAD_SHARE))),
    ]
    for name, check in checks:
        try:
            yield check()
        except DatabaseError as exc:
            hint = "Start the server, or correct DATABASE_URL. Until then accepted writes wait."
            yield error(name, f"The store cannot be used: {str(exc).strip()}", hint)
            return


def _rows(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _settings() -> dict[str, str]:
    return dict(_rows("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", list(NAMES)))


def _role() -> Finding:
    [(database, user, address, in_recovery)] = _rows(
        "SELECT current_database(), current_user, coalesce(host(inet_server_addr()), 'a socket'), "
        "pg_is_in_recovery()"
    )
    found = f"Database {database} at {address}, as {user}"
    if in_recovery:
        return error(
            "store", f"{found}: a replica, which takes no writes.", "Let DATABASE_URL name the primary."
        )
    return ok("store", f"{found}.")


def judge_version(number: int) -> Finding:
    """Say whether the server is recent enough; `number` is its server_version_num."""
    found = f"PostgreSQL {number // 10_000}.{number % 10_000}."
    if number // 10_000 < OLDEST_VERSION:
        return error("store.version", found, f"Use PostgreSQL {OLDEST_VERSION} or later.")
    return ok("store.version", found)


def judge_durability(settings: Mapping[str, str]) -> Finding:
    """Say whether what is committed survives a power loss."""
    name = "store.durability"
    found = " ".join(f"{one}={settings[one]}" for one in ("fsync", "full_page_writes", "synchronous_commit"))
    for one in ("fsync", "full_page_writes"):
        if settings[one] != "on":
            return error(
                name, f"{found}: a power loss can damage the store.", f"Set {one} = on on the server."
            )
    # The writer sets synchronous_commit itself, as WRITE_SYNCHRONOUS says; others have the server's.
    if settings["synchronous_commit"] == "off":
        return warning(
            name,
            f"{found}: a power loss can undo what commands and views commit.",
            "Set it on on the server.",
        )
    return ok(name, found)


def judge_isolation(level: str) -> Finding:
    """Say whether a transaction sees what was committed while it waited for the store lock."""
    name = "store.isolation"
    if level == "read committed":
        return ok(name, f"default_transaction_isolation={level}")
    return warning(
        name,
        f"default_transaction_isolation={level}: who waited for the store lock sees what was before.",
        "Leave it at read committed: the store lock does the rest.",
    )


def migrations() -> Finding:
    """Say which migrations are to be applied."""
    executor = MigrationExecutor(connections["default"])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return ok("store.migrations", "All are applied.")
    shown = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:3])
    return error("store.migrations", f"{len(plan)} to be applied: {shown}.", "Run `manage.py migrate`.")


def _connections() -> Finding:
    [(used,)] = _rows("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    wanted = place.WEB_PROCESSES * place.WEB_DATABASE_CONNECTIONS
    return judge_connections(used, int(_settings()["max_connections"]), wanted)


def judge_connections(used: int, most: int, wanted: int) -> Finding:
    """Say whether web processes will be refused; `wanted` is what those of this host may open."""
    found = f"{used} of {most} connections are open; web processes of this host may open {wanted}."
    if wanted > most - OTHER_CONNECTIONS:
        return warning(
            "store.connections",
            found,
            "Raise max_connections on the server, or lower WEB_PROCESSES or WEB_DATABASE_CONNECTIONS.",
        )
    if used >= most * FULL_SHARE:
        return warning(
            "store.connections", found, "Raise max_connections on the server, or start fewer web processes."
        )
    return ok("store.connections", found)


def judge_transactions(longest: Sequence[tuple[Any, ...]]) -> Finding:
    """Say who has a transaction open for long; rows are pid, application and seconds."""
    name = "store.transactions"
    if not longest:
        return ok(name, f"None is open for more than {LONG_SECONDS:.0f} s.")
    pid, application, seconds = longest[0]
    return warning(
        name,
        f"{application or 'A program'} (pid {pid} on the server) has one open for {float(seconds):.0f} s.",
        f"End it, or SELECT pg_terminate_backend({pid}); until then deleted rows stay on the disk.",
    )


def judge_replicas(replicas: Sequence[tuple[Any, ...]]) -> Finding:
    """Say whether a write survives the loss of the server; rows are name, state and seconds of lag."""
    name = "store.replicas"
    if not replicas:
        return info(name, "None is connected, or this user may not see them: a lost server is a restore.")
    found = ", ".join(f"{one} ({state}, {float(lag or 0):.1f} s behind)" for one, state, lag in replicas)
    if any(state in {"sync", "quorum"} for _, state, _ in replicas):
        return ok(name, f"{found}.")
    return info(name, f"{found}. None is synchronous: a fail-over can lose what was told as committed.")


def _read_replica() -> Finding:
    state = replica.state()
    assert state is not None  # noqa: S101 - narrows the type: it is asked where there is one
    return judge_read_replica(state)


def judge_read_replica(state: replica.ReplicaState) -> Finding:
    """Say whether GETs read from the replica in DATABASE_READ_URL, and how old what they see is."""
    name = "store.read_replica"
    seconds, amount = state.behind_seconds, state.behind_bytes
    behind = "" if amount is None else f"{seconds:.1f} s and {amount} bytes of log behind."
    if state.warning:
        hint = (
            "Start it, or correct or unset DATABASE_READ_URL. Until then GETs show what is old, or the store."
        )
        return warning(name, f"{state.warning} {behind}".strip(), hint)
    return ok(name, behind)


def judge_dead_rows(tables: Sequence[tuple[Any, ...]]) -> Finding:
    """Say whether autovacuum keeps up; rows are table, dead and live rows."""
    name = "store.dead_rows"
    if not tables:
        return ok(name, "Autovacuum keeps up.")
    table, dead, live = tables[0]
    return warning(
        name, f"{table} has {dead} dead rows beside {live} live ones.", f"VACUUM {table}; is autovacuum on?"
    )
