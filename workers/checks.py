"""System checks: a wrong configuration is said at start, with its hint, not met as a surprise."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_permission_codename
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections

from workers import registry
from workers.conf import FORMER_NAMES, GONE_NAMES, SettingsOfTests, all_settings, settings
from workers.doctor import Level, disk, sqlite_store
from workers.exceptions import WrongStore
from workers.store import opening, pragmas
from workers.store.roles import current_role
from workers.stream import celery_app

READ_COMMITTED = 2
"""PostgreSQL's own, as psycopg.IsolationLevel numbers it."""

OWN_PRAGMAS = {
    "journal_mode": "It is WAL.",
    "synchronous": "WRITE_SYNCHRONOUS is FULL, or NORMAL.",
    "wal_autocheckpoint": "Checkpoints are made by who holds the lock.",
    "query_only": "A connection writes with the store lock, or not at all.",
}
"""What a connection of ours sets, and what to say of it."""


@register(Tags.compatibility)
def check_configuration(**_: Any) -> list[CheckMessage]:
    """Return what the settings alone show."""
    found = _check_database()
    if settings.WRITE_OUTSIDE_WRITER == "refuse" and getattr(django_settings, "SESSION_ENGINE", "").endswith(
        (".db", ".cached_db")
    ):
        found.append(
            Error(
                "Sessions lie in the database, which web processes must not write (WRITE_OUTSIDE_WRITER).",
                hint='Set SESSION_ENGINE = "django.contrib.sessions.backends.cache" with a cache in Redis, '
                'or WRITE_OUTSIDE_WRITER = "lock".',
                id="workers.E004",
            )
        )
    for setting in all_settings():
        value = getattr(settings, setting.name)
        if hint := setting.problem(value):
            found.append(Error(f"{setting.name}={value!r} cannot be used.", hint=hint, id="workers.E013"))
    found += _check_names()
    if settings.WRITE_SYNCHRONOUS != "FULL":
        found.append(
            checks.Warning(
                "WRITE_SYNCHRONOUS is NORMAL: a power loss can undo writes that got 201.",
                hint="Use FULL unless that is acceptable.",
                id="workers.W001",
            )
        )
    return found


@register(Tags.compatibility)
def check_celery_app(**_: Any) -> list[CheckMessage]:
    """Say that writes would be told to nobody. A project without write functions needs no Celery."""
    return celery_app.missing() if registry.is_used() else []


@register(Tags.models)
def check_permissions(**_: Any) -> list[CheckMessage]:
    """Name permissions of write functions that no model has: nobody but superusers could write."""
    known = {
        f"{model._meta.app_label}.{codename}" for model in apps.get_models() for codename in _codenames(model)
    }
    return [
        checks.Warning(
            f"The write function {name!r} needs the permission {permission!r}, which no model has.",
            hint=f"Is {close[0]} meant?" if close else "It is named `<app>.<codename>`, as `notes.add_note`.",
            id="workers.W006",
        )
        for name, permission in sorted(registry.permissions().items())
        if permission not in known
        for close in [get_close_matches(permission, sorted(known), n=1)]
    ]


def _codenames(model: Any) -> list[str]:
    options = model._meta
    return [get_permission_codename(action, options) for action in options.default_permissions] + [
        codename for codename, _ in options.permissions
    ]


def _check_names() -> list[CheckMessage]:
    """Name settings that begin like those of the write path, and are none: they would be ignored silently."""
    known = [setting.name for setting in all_settings()] + [SettingsOfTests.WRITE_SUBMITTER.name]
    unknown = [name for name in dir(django_settings) if name.startswith("WRITE_") and name not in known]
    found: list[CheckMessage] = []
    for name in unknown:
        meant = FORMER_NAMES.get(name) or next(iter(get_close_matches(name, known, 1)), None)
        hint = f"Is {meant} meant?" if meant else "workers/SETTINGS.md lists them all."
        if name in GONE_NAMES:
            hint = f"Remove it: {GONE_NAMES[name]}."
        found.append(Error(f"{name} is no setting of the write path.", hint=hint, id="workers.E014"))
    return found


ATOMIC_REQUESTS: CheckMessage = checks.Warning(
    "ATOMIC_REQUESTS has every request hold the store lock, GETs too, so that they wait for each other. One "
    "that hands a write over leaves it to the writer; if it has written itself, it gets 202 at once.",
    hint="Remove it, and use transaction.atomic in the views that write; or exempt those that only read or "
    'hand writes over: @method_decorator(transaction.non_atomic_requests, name="dispatch").',
    id="workers.W003",
)


def _check_database() -> list[CheckMessage]:
    database: dict[str, Any] = django_settings.DATABASES["default"]
    found = [ATOMIC_REQUESTS] if database.get("ATOMIC_REQUESTS") else []
    if database.get("ENGINE") == "django.db.backends.postgresql":
        return found + _check_postgresql(database.get("OPTIONS", {}))
    if database.get("ENGINE") != "django.db.backends.sqlite3" and "sqlite" not in database.get("ENGINE", ""):
        return []
    mode = database.get("OPTIONS", {}).get("transaction_mode")
    if str(mode or "IMMEDIATE").upper() != "IMMEDIATE":
        found.append(
            checks.Warning(
                f"transaction_mode {mode} in DATABASES is not followed: transactions begin IMMEDIATE.",
                hint="Remove it: they begin once the store lock is held, and so wait for nobody.",
                id="workers.W005",
            )
        )
    command = str(database.get("OPTIONS", {}).get("init_command") or "")
    for name in OWN_PRAGMAS:
        if re.search(rf"\b{name}\b", command, re.I):
            found.append(
                checks.Warning(
                    f"init_command in DATABASES sets {name}, which is set anew for whoever writes.",
                    hint=f"Remove PRAGMA {name} from init_command. {OWN_PRAGMAS[name]}",
                    id="workers.W004",
                )
            )
    if re.search(r"\blocking_mode\b\s*=\s*exclusive", command, re.I):
        found.append(
            Error(
                "init_command in DATABASES keeps the store for one connection (locking_mode=EXCLUSIVE).",
                hint="Remove it: all other processes would be locked out, whatever they do.",
                id="workers.E002",
            )
        )
    return found


def _check_postgresql(options: Mapping[str, Any]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if find_spec("psycopg") is None:
        found.append(
            Error(
                "The store is on PostgreSQL, and psycopg 3 is not installed.",
                hint='Install "one-writer[postgresql]". psycopg2 cannot be waited for on an event loop.',
                id="workers.E015",
            )
        )
    if options.get("pool"):
        found.append(
            Error(
                "OPTIONS of the default database ask for a pool, whose connections do not close.",
                hint="Remove pool: the lease is the connection's, and web processes share theirs without it.",
                id="workers.E016",
            )
        )
    if options.get("isolation_level") not in {None, READ_COMMITTED}:
        found.append(
            checks.Warning(
                "isolation_level is above READ COMMITTED: who waited for the lock sees what was before.",
                hint="Remove it: the store lock does what it would do, and nothing has to be tried again.",
                id="workers.W007",
            )
        )
    return found


@register(Tags.database)
def check_store(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Open the store as this process's role and say what does not take effect."""
    if not databases or "default" not in databases:
        return []
    connection = connections["default"]
    if opening.file_of(connection) is None:
        return []
    # Except query_only: a command may hold the store lock, and write.
    wanted = {name: value for name, value in pragmas.of_role(current_role()).items() if name != "query_only"}
    try:
        connection.ensure_connection()
        with connection.wrap_database_errors:
            actual = pragmas.read(connection.connection, wanted)
    except (WrongStore, DatabaseError) as exc:
        return [
            Error(
                f"The store cannot be opened: {exc}",
                hint="Is it on a local disk that this user may write?",
                id="workers.E005",
            )
        ]
    return [
        Error(
            f"SQLite keeps {name}={actual[name]} instead of {value}.",
            hint="Remove whatever sets it in DATABASES OPTIONS.",
            id="workers.E006",
        )
        for name, value in wanted.items()
        if actual[name] != value
    ]


@register(Tags.compatibility)
def check_file_system(**_: Any) -> list[CheckMessage]:
    """Refuse a network file system under the store, where SQLite's log and locks do not work."""
    if connections["default"].vendor != "sqlite":
        return []
    finding = disk.judge_file_system(disk.file_system_of(sqlite_store.path()))
    if finding.level is not Level.ERROR:
        return []
    return [Error(finding.msg, hint=finding.hint, id="workers.E007")]


@register(Tags.compatibility, deploy=True)
def check_sqlite_version(**_: Any) -> list[CheckMessage]:
    """Name SQLite's WAL-reset bug. For `check --deploy`: it needs a second writer, and there is none here."""
    if connections["default"].vendor != "sqlite":
        return []
    finding = sqlite_store.judge_version(sqlite_store.library_version())
    if finding.level is Level.OK:
        return []
    return [checks.Warning(finding.msg, hint="Let no other program write the store.", id="workers.W002")]
