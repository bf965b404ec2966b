"""Wrong configuration is said by id, with a remedy."""

from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage
from django.test import override_settings

from workers import Result, Write, registry, write_function
from workers.checks import check_configuration, check_permissions, check_store


def ids(found: list[CheckMessage]) -> list[str | None]:
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_the_settings_of_this_project_are_fine() -> None:
    assert check_configuration() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, "workers.E004"),
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"}, "workers.E004"),
        ({"WRITE_SYNCHRONOUS": "NORMAL"}, "workers.W001"),
        ({"WRITE_WAIT_SECONDS": "10"}, "workers.E013"),
        ({"WRITE_WAIT_SECONDS": 301}, "workers.E013"),
        ({"WRITE_BATCH_MAX_WRITES": 1.5}, "workers.E013"),
        ({"WRITE_REQUIRE_IF_MATCH": 1}, "workers.E013"),
    ],
)
def test_a_wrong_setting_is_found(changed: dict[str, Any], expected: str) -> None:
    with override_settings(**changed):
        assert ids(check_configuration()) == [expected]


def test_workers_of_ones_own_may_run_several_tasks_at_once() -> None:
    # The writer says for itself that it runs one, and a worker that does not is none: see bootsteps.py.
    with override_settings(CELERY_WORKER_CONCURRENCY=4):
        assert check_configuration() == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WRITE_MAX_DEATHS", "Is WRITE_MAX_DELIVERIES meant?"),
        ("WRITE_WAIT_SECOND", "Is WRITE_WAIT_SECONDS meant?"),
        ("WRITE_XYZ", "workers/SETTINGS.md lists them all."),
    ],
)
def test_a_setting_that_would_be_ignored_is_named_with_what_may_be_meant(name: str, hint: str) -> None:
    with override_settings(**{name: 5}):
        [message] = check_configuration()

    assert (message.id, message.hint) == ("workers.E014", hint)
    assert name in message.msg


def test_the_setting_of_the_tests_is_known() -> None:
    with override_settings(WRITE_SUBMITTER="workers.testing.AtOnce"):
        assert check_configuration() == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"isolation_level": 2}, []),
        ({"isolation_level": 4}, ["workers.W007"]),
        ({"pool": True}, ["workers.E016"]),
    ],
)
def test_options_of_postgresql_that_the_write_path_cannot_use_are_found(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], expected: list[str]
) -> None:
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "OPTIONS": options}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    assert [message.id for message in check_configuration()] == expected


@pytest.mark.sqlite  # they are about SQLite
@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({"OPTIONS": {"transaction_mode": "EXCLUSIVE"}}, "workers.W005"),
        ({"OPTIONS": {"init_command": "PRAGMA synchronous=NORMAL"}}, "workers.W004"),
        ({"OPTIONS": {"init_command": "PRAGMA locking_mode = EXCLUSIVE"}}, "workers.E002"),
    ],
)
def test_a_wrong_database_is_found(
    monkeypatch: pytest.MonkeyPatch, database: dict[str, Any], expected: str
) -> None:
    # Not override_settings: it warns about DATABASES, which Django reads only once.
    monkeypatch.setitem(settings.DATABASES, "default", settings.DATABASES["default"] | database)

    assert ids(check_configuration()) == [expected]


def test_what_a_transaction_of_every_request_costs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ATOMIC_REQUESTS", True)

    [found] = check_configuration()

    assert found.id == "workers.W003"
    assert "GETs too" in found.msg
    assert "non_atomic_requests" in str(found.hint)


@pytest.mark.django_db
def test_the_pragmas_in_force_are_checked() -> None:
    assert check_store(databases=["default"]) == []


@pytest.mark.sqlite  # PostgreSQL has none
@pytest.mark.django_db(transaction=True)
def test_a_pragma_that_does_not_take_effect_is_found() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_autocheckpoint = 7")
    try:
        assert ids(check_store(databases=["default"])) == ["workers.E006"]
    finally:
        connection.close()


@pytest.mark.parametrize("prefix", ["a*", "{}", "a b", "", None])
def test_a_key_prefix_that_would_be_a_pattern_is_an_error(prefix: Any) -> None:
    with override_settings(WRITE_KEY_PREFIX=prefix):
        [found] = check_configuration()

    assert found.id == "workers.E013"
    assert "WRITE_KEY_PREFIX" in found.msg


@pytest.mark.parametrize(
    ("permission", "hint"),
    [
        ("jottings.add_joting", "Is jottings.add_jotting meant?"),
        ("add_jotting", "Is jottings.add_jotting meant?"),
        ("x", "It is named `<app>.<codename>`, as `notes.add_note`."),
    ],
)
def test_a_permission_that_no_model_has_is_named(
    monkeypatch: pytest.MonkeyPatch, permission: str, hint: str
) -> None:
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))

    def apply(write: Write) -> Result:
        return Result()

    write_function("checked.right", permission="workers.retry_write")(apply)
    write_function("checked.wrong", permission=permission)(apply)

    [message] = check_permissions()

    assert (message.id, message.hint) == ("workers.W006", hint)
    assert "'checked.wrong'" in message.msg
