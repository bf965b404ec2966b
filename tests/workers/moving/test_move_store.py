"""A store on SQLite moves to PostgreSQL and back, with a real server; interrupted, it is repeated."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import clusters, forks
from tests.clusters import Cluster
from tests.e2e.service import BASE_DIR, PYTHON, Service, prepare_data
from workers.up import embedded_redis

pytestmark = pytest.mark.skipif(clusters.unavailable() is not None, reason=str(clusters.unavailable()))

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.settings"}

FILL = """
import django; django.setup()
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from tests.jottings.models import Measurement, Topic
from workers import Role, set_role
set_role(Role.COMMAND)
topic = Topic.objects.create(name="\\u00fcber \\U0001f600 'quoted' \\t\\\\N\\n")
Topic.objects.create(name="gone").delete()
Measurement.objects.create(label="none")
Measurement.objects.create(
    label="all", place="P", took=timedelta(days=-3, microseconds=5), at=datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    day=date(1, 1, 1), hour=time(23, 59, 59, 999999), amount=Decimal("12345.1234567890"),
    serial=UUID(int=7), raw=b"\\0\\xff", payload={"a": {"": {}}, "b": [1, 1.5, 1e-7, None, True, "\\u00e9"]},
    low=-(2**31), high=2**31 - 1, count=2**31 - 1, address="::1", topic=topic,
)
"""

SHOW = """
import django; django.setup()
from tests.jottings.models import Measurement, Topic
for model in (Topic, Measurement):
    for row in model.objects.order_by("pk").values():
        print({name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()})
"""

DIE = """
import django; django.setup()
import os, signal
from django.core.management import call_command
from workers import Role, set_role
from {module} import {owner}
set_role(Role.COMMAND)
real = {target}
def then_die(*arguments, **options):
    if {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
{target} = then_die
call_command("move_store", to={to!r})
"""


TO_AN_ALIAS = """
import sys
import dj_database_url
import django
from django.conf import settings
settings.DATABASES["second"] = dj_database_url.parse(sys.argv[1])
django.setup()
from django.core.management import call_command
from workers import Role, set_role
set_role(Role.COMMAND)
call_command("move_store", to="second")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with clusters.running() as running:
        yield running


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared")
    prepare_data(directory, **SETTINGS)
    return directory


@pytest.fixture(scope="module")
def filled(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same with rows of all kinds, and what they are."""
    service = Service.on_copy_of(template, tmp_path_factory.mktemp("filled"), SETTINGS)
    done = python(service, FILL)
    assert done.returncode == 0, done.stderr
    return service.directory, shown(service)


@pytest.fixture
def before(filled: tuple[Path, str]) -> str:
    """What the rows of the store are; a test that asks for it has a store with rows."""
    return filled[1]


@pytest.fixture
def service(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Iterator[Service]:
    """A store with Redis; nothing else runs yet."""
    if "before" in request.fixturenames:
        template, _ = request.getfixturevalue("filled")
    service = Service.on_copy_of(template, tmp_path / "service", {"WEB_PROCESSES": "1", **SETTINGS})
    service.start("redis")
    try:
        assert embedded_redis.wait_until_responds(
            embedded_redis.socket_path(service.directory), within_seconds=20
        )
        yield service
    finally:
        service.stop_all()


@pytest.fixture
def url(cluster: Cluster, tmp_path: Path) -> str:
    name = f"move_{os.getpid()}_{tmp_path.name}".replace("-", "_").lower()[:60]
    clusters.rows(cluster.url, f'CREATE DATABASE "{name}"')
    return cluster.url_of(name)


def python(
    service: Service, program: str, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    return forks.run(
        [PYTHON, "-c", program, *arguments],
        env=service.environment | {"WITH_PSYCOPG": "1"} | settings,
        cwd=BASE_DIR,
    )


def shown(service: Service) -> str:
    done = python(service, SHOW)
    assert done.returncode == 0, done.stderr
    return done.stdout


def change(service: Service, sql: str, *parameters: object) -> None:
    """Write as a program that keeps to no rule."""
    with closing(sqlite3.connect(service.directory / "store.sqlite3")) as raw, raw:
        raw.execute(sql, parameters)


def move(service: Service, to: str) -> str:
    done = service.manage("move_store", "--to", to, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(service: Service, to: str) -> str:
    done = service.manage("move_store", "--to", to, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def test_all_kinds_of_values_come_back_as_they_were(
    service: Service, before: str, url: str, tmp_path: Path
) -> None:
    assert "verified" in move(service, url)
    service.settings = {**service.settings, "DATABASE_URL": url}
    on_server = shown(service)
    # The key of the row that was deleted does not come again.
    after = service.rows("SELECT nextval(pg_get_serial_sequence('jottings_topic', 'id'))")
    back = f"sqlite:///{tmp_path}/back.sqlite3"
    move(service, back)
    service.settings = {**service.settings, "DATABASE_URL": back}

    assert "12345.1234567890" in before and "-3" in before
    assert on_server == before
    assert after == [(3,)]
    assert shown(service) == before


def test_each_value_that_does_not_fit_is_named_and_nothing_is_copied(service: Service, url: str) -> None:
    for number in range(1, 10):
        change(
            service,
            "INSERT INTO jottings_measurement (id, label, place, low, high, count) "
            "VALUES (?, ?, ?, 0, 10, 0)",
            number,
            f"m{number}",
            f"p{number}",
        )
    values = {
        1: ("label", "x" * 21),
        2: ("place", "a\0b"),
        3: ("low", -(2**40)),
        4: ("day", "2026-02-30"),
        5: ("amount", "much"),
        6: ("payload", '{"a": "\\u0000"}'),
        7: ("serial", "no uuid"),
        8: ("address", "1.2.3"),
        9: ("topic_id", 77),
    }
    for number, (column, value) in values.items():
        change(service, f"UPDATE jottings_measurement SET {column} = ? WHERE id = ?", value, number)

    said = refused(service, url)

    for number, (column, _) in values.items():
        assert f"jottings_measurement, id {number}: {column} " in said
    assert "9 values do not fit" in said
    assert clusters.rows(url, "SELECT count(*) FROM auth_user") == [(0,)]


def test_a_target_with_rows_is_refused_and_left_alone(service: Service, url: str) -> None:
    move_settings = {**service.settings, "DATABASE_URL": url}
    other = Service(service.directory, move_settings)
    other.manage("migrate")
    clusters.rows(url, "INSERT INTO jottings_topic (name) VALUES ('theirs')")

    assert "jottings_topic has 1 rows" in refused(service, url)
    assert "is the store itself" in refused(other, url)
    assert clusters.rows(url, "SELECT name FROM jottings_topic") == [("theirs",)]


def test_it_moves_to_one_of_the_databases_in_the_settings_and_names_it(service: Service, url: str) -> None:
    change(service, "INSERT INTO jottings_topic (name) VALUES ('mine')")

    done = python(service, TO_AN_ALIAS, url)

    assert done.returncode == 0, done.stderr
    assert "Set DATABASES so that 'second' is 'default'" in " ".join(done.stdout.split())
    assert clusters.rows(url, "SELECT name FROM jottings_topic") == [("mine",)]
    owner = service.redis().hgetall("writes:owner")
    assert owner[b"moved_from"] and owner[b"moved_from"] != owner[b"store"]
    # The former store does not get its stream back by itself.
    refused_start = service.manage("writer_status", check=False)
    assert "was moved" in refused_start.stdout + refused_start.stderr


def test_a_database_of_another_program_is_refused(service: Service, url: str) -> None:
    clusters.rows(url, "CREATE TABLE theirs (a integer)")

    assert "theirs" in refused(service, url)


@pytest.mark.parametrize("step", ["c.empty", "c.set_counters", "c.hand_over", "c.hand_over after"])
def test_killed_at_a_step_it_is_repeated(service: Service, before: str, url: str, step: str) -> None:
    name, _, after = step.partition(" ")
    module = (
        "workers.stream import ownership as c"
        if "hand_over" in name
        else "workers.moving import copying as c"
    )
    program = DIE.replace("from {module} import {owner}", f"from {module}").format(
        target=name, before=name != "c.set_counters" and not after, to=url
    )

    died = python(service, program)
    is_moved = service.redis().hget("writes:owner", "moved_from") is not None and after
    if not after:
        # The store is in charge: what it commits meanwhile must be in the copy.
        change(service, "INSERT INTO jottings_topic (name) VALUES ('meanwhile')")
        before = shown(service)
    said = move(service, url)

    assert died.returncode == -signal.SIGKILL, died.stderr
    assert ("moved there already" in said) is bool(is_moved)
    service.settings = {**service.settings, "DATABASE_URL": url}
    assert shown(service) == before


def test_a_target_that_went_on_is_not_emptied(service: Service, url: str) -> None:
    move(service, url)
    service.redis().flushall()
    clusters.rows(url, "UPDATE workers_lease SET epoch = 1")

    assert "The target is not empty" in refused(service, url)
